import { useMutation } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { saveFile } from '../parts/save.js';
import { Status, Table } from '../parts/shown.js';
import { readCases, writeCases, type Case } from './cases.js';
import { QuestionForm } from './question.js';

const route = getRouteApi('/signed-in/policies/$name/simulate');

/** Questions to one policy as a table, with what each should be answered: the tests of the policy. */
export function SimulatePage() {
  const { name } = route.useParams();
  const { version } = route.useSearch();
  const [cases, setCases] = useState<Case[]>([]);
  const [broken, setBroken] = useState<unknown>();
  const asking = useMutation({
    mutationFn: (asked: Case[]) =>
      api.post('/v1/policies/simulate', {
        body: {
          policies: [version === undefined ? { name } : { name, version }],
          requests: asked.map(({ request }) => request),
        },
      }),
  });
  const ask = (next: Case[]) => {
    setCases(next);
    setBroken(undefined);
    asking.reset();
    if (next.length > 0) asking.mutate(next);
  };
  const open = async (file: File | undefined) => {
    try {
      if (file) ask(readCases(await file.text()));
    } catch (error) {
      setBroken(error);
    }
  };
  const expectation = (at: number, expect: string) =>
    setCases(
      cases.map((each, n) =>
        n === at ? { request: each.request, ...(expect === '' ? {} : { expect: expect as 'allow' | 'deny' }) } : each,
      ),
    );
  return (
    <>
      <section className="card">
        <h2>Ask {version === undefined ? 'the active version' : `version ${version}`}</h2>
        <QuestionForm act="Add question" onAsk={(request) => ask([...cases, { request }])} />
      </section>
      <ProblemNote error={broken ?? asking.error} />
      {cases.length === 0 ? (
        <p className="note">
          No questions yet. Add one above, or open the tests that you saved before. Nothing is changed by asking.
        </p>
      ) : (
        <section className="card">
          <Table
            label="Simulated questions"
            head={['Thing', 'Action', 'Resource', 'Answer', 'Because', 'Expected', 'Act']}
          >
            {cases.map(({ request, expect }, at) => (
              <Row
                key={`${at} ${request.thing.name} ${request.resource}`}
                case={{ request, ...(expect === undefined ? {} : { expect }) }}
                answer={asking.data?.decisions[at]}
                onExpect={(wanted) => expectation(at, wanted)}
                onRemove={() => ask(cases.filter((_, n) => n !== at))}
              />
            ))}
          </Table>
        </section>
      )}
      <div className="acts">
        <button
          type="button"
          disabled={cases.length === 0}
          onClick={() =>
            saveFile(`${name}-cases.yaml`, 'application/yaml', writeCases(withAnswers(cases, asking.data)))
          }
        >
          Save as tests
        </button>
        <label className="button">
          Open tests
          <input
            type="file"
            className="hidden"
            accept=".json,.yaml,application/json,application/yaml"
            onChange={({ target }) => void open(target.files?.[0])}
          />
        </label>
        <small>
          <code>thingward policies test</code> asks the saved questions again, in CI too.
        </small>
      </div>
    </>
  );
}

type Answers = Awaited<ReturnType<typeof api.post<'/v1/policies/simulate'>>>;

// What nobody expected otherwise is expected as it is answered now.
const withAnswers = (cases: Case[], answers: Answers | undefined): Case[] =>
  cases.map(({ request, expect }, at) => {
    const wanted = expect ?? answers?.decisions[at]?.decision;
    return wanted === undefined ? { request } : { request, expect: wanted };
  });

type RowProps = {
  case: Case;
  answer: Answers['decisions'][number] | undefined;
  onExpect(expect: string): void;
  onRemove(): void;
};

function Row({ case: { request, expect }, answer, onExpect, onRemove }: RowProps) {
  const isOther = expect !== undefined && answer !== undefined && answer.decision !== expect;
  const what = `${request.thing.name} ${request.action}`;
  return (
    <tr>
      <td>{request.thing.name}</td>
      <td>{request.action}</td>
      <td className="wide">
        <code>{request.resource}</code>
      </td>
      <td>{answer === undefined ? '…' : <Status of={answer.decision} />}</td>
      <td className="wide">{answer?.reasons.join(', ') ?? ''}</td>
      <td>
        <select
          aria-label={`Expected answer for ${what}`}
          value={expect ?? ''}
          onChange={({ target }) => onExpect(target.value)}
        >
          <option value="">as answered</option>
          <option>allow</option>
          <option>deny</option>
        </select>{' '}
        {isOther ? <span className="status bad">differs</span> : null}
      </td>
      <td>
        <button type="button" className="quiet" onClick={onRemove} aria-label={`Remove ${what}`}>
          Remove
        </button>
      </td>
    </tr>
  );
}
