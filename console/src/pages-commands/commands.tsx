import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { background, type Schemas } from '../api.js';
import { Listed, usePages } from '../parts/listed.js';
import { useMay } from '../parts/may.js';
import { Empty } from '../parts/page.js';
import { Field, Status, Time } from '../parts/shown.js';
import { queryClient } from '../queries.js';
import { CommandDialog } from './command.js';
import { SendDialog } from './send.js';
import { commandStates, isOpen, meaningOf, toneOf, type CommandState } from './states.js';

type Thing = Schemas['ThingWithSessions'];

// Edges report answers by no entry of the audit: what is open is asked for while it is shown.
const openMs = 3000;

/** The commands of a thing, the newest first: what became of each, and another one. */
export function Commands({ thing: { name, status, thingType } }: { thing: Thing }) {
  const may = useMay();
  const [state, setState] = useState<CommandState>();
  const [chosen, setChosen] = useState<string>();
  const [isSending, setSending] = useState(false);
  const list = usePages(
    ['commands', name, state],
    (cursor, signal) =>
      background.get('/v1/things/{name}/commands', {
        path: { name },
        query: { limit: 10, ...cursor, ...(state === undefined ? {} : { status: state }) },
        signal,
      }),
    (items) => (items.some((each) => isOpen(each.status)) ? openMs : false),
  );
  // It followed the command: the list may be behind it.
  const close = () => {
    setChosen(undefined);
    void queryClient.invalidateQueries({ queryKey: ['commands', name] });
  };
  const maySend = may('commands:write') && status === 'active';
  return (
    <section aria-label="Commands">
      <h2>Commands</h2>
      <div className="filters">
        <Field label="State of the commands">
          <select
            value={state ?? ''}
            onChange={({ target }) => setState(commandStates.find((each) => each === target.value))}
          >
            <option value="">all</option>
            {commandStates.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </Field>
        {maySend ? (
          <button type="button" onClick={() => setSending(true)}>
            Send a command…
          </button>
        ) : null}
        <Link to="/command-schemas" className="button">
          Schemas of commands
        </Link>
      </div>
      <Listed
        label="Commands"
        head={['Command', 'State', 'Which means', 'Sent', 'By']}
        list={list}
        empty={
          <Empty title={state === undefined ? 'It was sent no command in the last week' : `No command is ${state}`}>
            <p>
              A command waits until an edge holds a session of the thing. Edges need the section gateway.commands in
              their settings.
            </p>
          </Empty>
        }
        row={(command) => (
          <tr key={command.id}>
            <td>
              <button
                type="button"
                className="quiet"
                onClick={() => setChosen(command.id)}
                aria-label={`${command.name}: what became of it`}
              >
                {command.name}
              </button>
            </td>
            <td>
              <Status of={command.status} tone={toneOf[command.status]} />
            </td>
            <td className="wide">{meaningOf(command)}</td>
            <td>
              <Time at={command.createdAt} />
            </td>
            <td>{command.createdBy}</td>
          </tr>
        )}
      />
      {chosen === undefined ? null : <CommandDialog thing={name} id={chosen} onClose={close} />}
      {isSending ? (
        <SendDialog
          thing={name}
          thingType={thingType}
          onClose={() => setSending(false)}
          onSent={(id) => {
            setSending(false);
            setState(undefined);
            setChosen(id);
          }}
        />
      ) : null}
    </section>
  );
}
