import { ProblemError } from '../../../src/client/client.js';
import { api, type Schemas } from '../api.js';

/** Something about a document, as the server says it; `at` is a JSON Pointer. */
export type Finding = Schemas['PipelineFinding'];

/** What the server finds in a text; undefined where it could not be asked now. */
export async function findingsIn(text: string): Promise<Finding[] | undefined> {
  try {
    const document = JSON.parse(text) as Schemas['PipelineDocument'];
    return (await api.post('/v1/pipelines/lint', { body: document })).findings;
  } catch (error) {
    if (error instanceof ProblemError && error.status < 429)
      return [{ level: 'error', code: error.code, at: '', message: error.problem.detail }];
    return undefined;
  }
}
