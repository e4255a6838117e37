import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, wordsOf, type Schemas } from '../api.js';
import { Confirm } from '../parts/confirm.js';
import { useMay } from '../parts/may.js';
import { Field, Section, Table } from '../parts/shown.js';
import { useStepUp } from '../parts/step-up.js';
import { queryClient } from '../queries.js';
import { doMany, type Result } from './many.js';

type Thing = Schemas['Thing'];
type Act = 'suspend' | 'resume' | 'attach' | 'revoke';

const titles: Record<Act, string> = {
  suspend: 'Suspend',
  resume: 'Resume',
  attach: 'Attach a policy',
  revoke: 'Revoke',
};

const about: Record<Act, string> = {
  suspend: 'They are refused at once, everywhere, until they are resumed.',
  resume: 'They are judged by their policies again.',
  attach: 'They keep the policies that they have.',
  revoke: 'Their certificates and tokens end everywhere, at once. That cannot be undone.',
};

/** What is done to the things that somebody chose: one by one, with what came of each. */
export function Selected({ things, onClear }: { things: Thing[]; onClear(): void }) {
  const may = useMay();
  const withStepUp = useStepUp();
  const [asked, setAsked] = useState<Act>();
  const [policy, setPolicy] = useState('');
  const [run, setRun] = useState<{ act: Act; results: Result[]; total: number }>();
  const work = (act: Act, thing: Thing) => withStepUp(() => once(act, thing, policy));
  const start = async (act: Act, of: Thing[]) => {
    setAsked(undefined);
    setRun({ act, results: [], total: of.length });
    await doMany(
      of,
      (thing) => work(act, thing),
      (results) => setRun({ act, results, total: of.length }),
    );
    await queryClient.invalidateQueries();
  };
  const open: Record<Act, boolean> = {
    suspend: may('certificates:revoke'),
    resume: may('certificates:revoke'),
    attach: may('policies:attach'),
    revoke: may('certificates:revoke'),
  };
  return (
    <>
      <div className="selected" role="region" aria-label="Chosen things">
        <strong>{things.length.toLocaleString()} chosen</strong>
        {(Object.keys(titles) as Act[])
          .filter((act) => open[act])
          .map((act) => (
            <button
              key={act}
              type="button"
              className={act === 'revoke' ? 'quiet danger' : 'quiet'}
              disabled={things.length === 0}
              onClick={() => setAsked(act)}
            >
              {titles[act]}…
            </button>
          ))}
        <button type="button" className="quiet" onClick={onClear}>
          Choose none
        </button>
      </div>
      {run === undefined ? null : (
        <Results
          {...run}
          onUndo={
            run.act === 'suspend'
              ? () =>
                  void start(
                    'resume',
                    things.filter(({ name }) => isDone(run.results, name)),
                  )
              : undefined
          }
          onClose={() => setRun(undefined)}
        />
      )}
      {asked === undefined ? null : (
        <Confirm
          title={`${titles[asked]}: ${things.length.toLocaleString()} things`}
          about={about[asked]}
          act={titles[asked]}
          {...(asked === 'revoke' ? { word: String(things.length) } : {})}
          acting={{
            mutate: () => void start(asked, things),
            isPending: asked === 'attach' && policy === '',
            error: null,
          }}
          onClose={() => setAsked(undefined)}
        >
          {asked === 'attach' ? <PolicyChoice policy={policy} onChange={setPolicy} /> : null}
          <p className="note warn long">
            {things
              .slice(0, 12)
              .map(({ name }) => name)
              .join(', ')}
            {things.length > 12 ? ` and ${(things.length - 12).toLocaleString()} more` : ''}
          </p>
        </Confirm>
      )}
    </>
  );
}

const isDone = (results: Result[], name: string): boolean =>
  results.some((result) => result.name === name && result.error === undefined);

function once(act: Act, { name, policies }: Thing, policy: string): Promise<unknown> {
  const path = { name };
  switch (act) {
    case 'suspend':
      return api.post('/v1/things/{name}/suspend', { path });
    case 'resume':
      return api.post('/v1/things/{name}/resume', { path });
    case 'revoke':
      return api.post('/v1/things/{name}/revoke', { path, body: { reason: 'cessationOfOperation' } });
    case 'attach':
      return api.put('/v1/things/{name}/policies', {
        path,
        body: { policies: [...new Set([...policies, policy])] },
      });
  }
}

function PolicyChoice({ policy, onChange }: { policy: string; onChange(policy: string): void }) {
  const all = useQuery({
    queryKey: ['policies', 'names'],
    queryFn: () => api.get('/v1/policies', { query: { limit: 200 } }),
  });
  return (
    <Field label="Policy">
      <select value={policy} onChange={({ target }) => onChange(target.value)} required>
        <option value="">choose one</option>
        {all.data?.items.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </Field>
  );
}

type ResultsProps = {
  act: Act;
  results: Result[];
  total: number;
  onUndo: (() => void) | undefined;
  onClose(): void;
};

function Results({ act, results, total, onUndo, onClose }: ResultsProps) {
  const failed = results.filter(({ error }) => error !== undefined);
  const isOver = results.length === total;
  return (
    <Section title={`${titles[act]}: ${results.length.toLocaleString()} of ${total.toLocaleString()}`}>
      <progress value={results.length} max={Math.max(1, total)} aria-label="Done so far" />
      <p role="status">
        {(results.length - failed.length).toLocaleString()} done, {failed.length.toLocaleString()} refused
        {isOver ? '.' : '…'}
      </p>
      <Table label="What came of each" head={['Thing', 'Result']}>
        {[...failed, ...results.filter(({ error }) => error === undefined)].slice(0, 200).map(({ name, error }) => (
          <tr key={name}>
            <td>{name}</td>
            <td className="wide">
              {error === undefined ? (
                <span className="status good">done</span>
              ) : (
                <>
                  <span className="status bad">refused</span> {wordsOf(error).title}: {wordsOf(error).detail}
                </>
              )}
            </td>
          </tr>
        ))}
      </Table>
      <div className="acts">
        {isOver && onUndo !== undefined ? (
          <button type="button" onClick={onUndo}>
            Undo
          </button>
        ) : null}
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Section>
  );
}
