import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { api } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { pipelineQuery } from './queries.js';
import { Trial } from './trial.js';

const route = getRouteApi('/signed-in/pipelines/$name/simulate');

/** A saved version on recorded messages. */
export function SimulatePipelinePage() {
  const { name } = route.useParams();
  const { version } = route.useSearch();
  const pipeline = useQuery(pipelineQuery(name));
  const shown = version ?? pipeline.data?.activeVersion;
  return (
    <>
      <ProblemNote error={pipeline.error} />
      <Trial
        key={`${name} ${version}`}
        title={shown === undefined ? 'Try the newest version' : `Try version ${shown}`}
        ask={(recorded) =>
          api.post('/v1/pipelines/{name}/simulate', {
            path: { name },
            body: { ...recorded, ...(version === undefined ? {} : { version }) },
          })
        }
      />
    </>
  );
}
