import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { background, type Schemas } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { Empty } from '../parts/page.js';
import { Field, Status } from '../parts/shown.js';

type State = Schemas['CampaignThing']['state'];

const states: readonly State[] = ['failed', 'asked', 'waiting', 'skipped', 'done'];

/** What became of the things of a campaign; those that failed at first, because they want somebody. */
export function CampaignThings({ id }: { id: string }) {
  const [state, setState] = useState<State>('failed');
  const list = usePages(['campaigns', 'things', id, state], (cursor) =>
    background.get('/v1/campaigns/{id}/things', { path: { id }, query: { state, limit: 50, ...cursor } }),
  );
  return (
    <>
      <h2>Its things</h2>
      <div className="filters">
        <Field label="State of the things">
          <select value={state} onChange={({ target }) => setState(target.value as State)}>
            {states.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
      </div>
      <Listed
        label="Things of the campaign"
        head={['Thing', 'Wave', 'State', 'Why']}
        list={list}
        empty={
          <Empty title={`No thing is ${state}`}>
            <p>Choose another state to see others.</p>
          </Empty>
        }
        row={({ thingName, wave, state: is, reason }) => (
          <tr key={thingName}>
            <td>
              <Link to="/things/$name" params={{ name: thingName }}>
                {thingName}
              </Link>
            </td>
            <td>{wave}</td>
            <td>
              <Status of={is} />
            </td>
            <td className="long">{reason ?? '–'}</td>
          </tr>
        )}
      />
    </>
  );
}
