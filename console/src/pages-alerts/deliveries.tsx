import { getRouteApi, Link } from '@tanstack/react-router';
import { api, background, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Status, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';
import { StateLinks } from './state-links.js';

const route = getRouteApi('/signed-in/webhooks/$id');

const views = [undefined, 'pending', 'delivered', 'parked'] as const;

/** What became of the events of a webhook, newest first. One that was refused for a day can be told again. */
export function DeliveryList({ webhook }: { webhook: string }) {
  const may = useMay();
  const tell = useTell();
  const search = route.useSearch();
  const list = usePages(['webhooks', 'deliveries', webhook, search], (cursor) =>
    background.get('/v1/webhooks/{id}/deliveries', {
      path: { id: webhook },
      query: { limit: 50, ...search, ...cursor },
    }),
  );
  const retrying = useAct(
    ({ id }: Schemas['Delivery']) =>
      api.post('/v1/webhooks/{id}/deliveries/{delivery}/retry', { path: { id: webhook, delivery: id } }),
    ({ type }) => tell({ text: `${type} is told again, for another 24 hours.` }),
  );
  return (
    <>
      <h2>Deliveries</h2>
      <StateLinks of={views} />
      <ProblemNote error={retrying.error} />
      <Listed
        label="Deliveries"
        head={['Event', 'State', 'About', 'Tried', 'Last answer', 'Act']}
        list={list}
        empty={
          <Empty title={search.status === undefined ? 'Nothing was told yet' : `No event is ${search.status}`}>
            {search.status === undefined ? (
              <p>It hears of the next event of its types.</p>
            ) : (
              <p>
                <Link to="/webhooks/$id" params={{ id: webhook }} search={{}}>
                  Show all
                </Link>
              </p>
            )}
          </Empty>
        }
        row={(delivery) => (
          <tr key={delivery.id}>
            <td>
              {delivery.type}
              <br />
              <small>
                <Time at={delivery.at} />
              </small>
            </td>
            <td>
              <Status of={delivery.status} />
            </td>
            <td className="wide">{delivery.subject}</td>
            <td>
              {delivery.attempts === 0 ? 'not yet' : `${delivery.attempts.toLocaleString()} ×`}
              {delivery.nextAttemptAt === undefined ? null : (
                <>
                  <br />
                  <small>
                    next <Time at={delivery.nextAttemptAt} />
                  </small>
                </>
              )}
            </td>
            <td className="wide">
              {[delivery.answerStatus, delivery.answer].filter((part) => part !== undefined && part !== '').join(' ') ||
                '–'}
            </td>
            <td className="act">
              {delivery.status === 'parked' && may('webhooks:write') ? (
                <button type="button" disabled={retrying.isPending} onClick={() => retrying.mutate(delivery)}>
                  Tell again
                </button>
              ) : null}
            </td>
          </tr>
        )}
      />
    </>
  );
}
