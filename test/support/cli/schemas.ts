import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

type Document = {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, object> }> }>>;
};

const api = parse(readFileSync('openapi.yaml', 'utf8')) as Document;
const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false }).addSchema(api, 'api');
const escaped = (part: string): string => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** What is wrong with a value as an answer of an operation such as `get /v1/things`; an empty text for nothing. */
export function faultsOfAnswer(operation: string, value: unknown): string {
  const [method, path] = operation.split(' ') as [string, string];
  const { responses } = api.paths[path]![method]!;
  const [status, response] = Object.entries(responses).find(([code]) => /^2/.test(code))!;
  const [type] = Object.keys(response.content!);
  const pointer = ['paths', path, method, 'responses', status, 'content', type!, 'schema'].map(escaped).join('/');
  return faultsOf(`api#/${pointer}`, value);
}

/** The same for a schema by its name. */
export const faultsOfSchema = (name: string, value: unknown): string =>
  faultsOf(`api#/components/schemas/${name}`, value);

function faultsOf($ref: string, value: unknown): string {
  const validate = ajv.compile({ $ref });
  return validate(value) ? '' : ajv.errorsText(validate.errors);
}
