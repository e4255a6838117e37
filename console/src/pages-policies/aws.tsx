import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { api, type Schemas } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status } from '../parts/shown.js';

const route = getRouteApi('/signed-in/policies/$name/aws');

/** What AWS IoT would get of a policy: never more than it allows here. */
export function PolicyAwsPage() {
  const { name } = route.useParams();
  const { data, error } = useQuery({
    queryKey: ['policies', 'aws', name],
    queryFn: () => api.get('/v1/policies/{name}/aws', { path: { name } }),
  });
  return (
    <Section title="As a policy of AWS IoT">
      <ProblemNote error={error} />
      {data === undefined && !error ? <Skeleton lines={8} /> : null}
      {data === undefined ? null : (
        <>
          <p>
            <code>{data.awsName}</code> {data.aws === undefined ? null : <Status of={data.aws.status} />}{' '}
            {data.characters === undefined ? null : <small>{data.characters.toLocaleString()} characters</small>}
          </p>
          <Faults title="It cannot be expressed in AWS" faults={data.refusals} tone="bad" />
          <Faults title="Narrower in AWS than here" faults={data.warnings} tone="warn" />
          {data.document === undefined ? null : (
            <pre tabIndex={0} role="region" aria-label="Document for AWS IoT">
              {JSON.stringify(data.document, undefined, 2)}
            </pre>
          )}
        </>
      )}
    </Section>
  );
}

function Faults({ title, faults, tone }: { title: string; faults: Schemas['AwsPolicyFault'][]; tone: string }) {
  if (faults.length === 0) return null;
  return (
    <div className={`note ${tone}`}>
      <strong>{title}</strong>
      <ul>
        {faults.slice(0, 50).map(({ statement, message }, at) => (
          <li key={at}>
            {statement === undefined ? null : <strong>{statement}: </strong>}
            {message}
          </li>
        ))}
      </ul>
    </div>
  );
}
