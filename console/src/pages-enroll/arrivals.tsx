import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { background } from '../api.js';
import { WaitingDevice } from '../pages/waiting.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Status, Table, Time } from '../parts/shown.js';

/** The devices of an enrollment as they come in, newest first, and those that wait for somebody. */
export function Arrivals({ enrollment, isWaited }: { enrollment: string; isWaited: boolean }) {
  const came = useQuery({
    queryKey: ['things', 'of-enrollment', enrollment],
    queryFn: () => background.get('/v1/things', { query: { enrollment, sort: '-createdAt', limit: 20 } }),
  });
  const waiting = useQuery({
    queryKey: ['waiting', enrollment],
    queryFn: () => background.get('/v1/waiting', { query: { enrollment, status: 'waiting', limit: 20 } }),
    enabled: isWaited,
  });
  return (
    <>
      <ProblemNote error={came.error ?? waiting.error} />
      {waiting.data?.items.map((device) => (
        <WaitingDevice key={device.id} device={device} />
      ))}
      <Section title="Devices that came in">
        <p role="status" className={came.data?.items.length === 0 ? 'faint' : 'hidden'}>
          {came.data?.items.length === 0
            ? 'None yet. This list is live: a device shows up here a moment after its first boot.'
            : `${came.data?.items.length ?? 0} devices`}
        </p>
        {came.data && came.data.items.length > 0 ? (
          <Table label="Devices that came in" head={['Name', 'Status', 'Type', 'Came in', 'Last seen']}>
            {came.data.items.map(({ id, name, status, thingType, createdAt, lastSeenAt }) => (
              <tr key={id}>
                <td>
                  <Link to="/things/$name" params={{ name }}>
                    {name}
                  </Link>
                </td>
                <td>
                  <Status of={status} />
                </td>
                <td>{thingType ?? '–'}</td>
                <td>
                  <Time at={createdAt} />
                </td>
                <td>
                  <Time at={lastSeenAt} />
                </td>
              </tr>
            ))}
          </Table>
        ) : null}
        {came.data?.nextCursor === undefined ? null : (
          <p>
            <Link to="/things" search={{ enrollment }}>
              All of them
            </Link>
          </p>
        )}
      </Section>
    </>
  );
}
