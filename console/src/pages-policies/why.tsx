import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { api, type Schemas } from '../api.js';
import { PageHead } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Section, Skeleton, Status, Time } from '../parts/shown.js';
import { DocumentView, type Remark } from './document.js';
import { versionQuery } from './queries.js';
import { localTime, nothingAsked, QuestionForm, requestOf } from './question.js';
import type { WhySearch } from '../parts/search.js';

const route = getRouteApi('/signed-in/why');

type Decision = Schemas['SimulatedDecision'];

/** "May this thing do that now, and why?" The question stands in the address, so that it can be sent to others. */
export function WhyPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const isAsked = search.thing !== undefined && search.action !== undefined && search.resource !== undefined;
  return (
    <>
      <PageHead
        title="Why?"
        about="Ask what a thing may do. The answer names the statement that decides, and why the others do not."
      />
      <section className="card">
        <QuestionForm
          key={JSON.stringify(search)}
          act="Ask"
          first={{ ...search, at: localTime(search.time) }}
          onAsk={({ thing, action, resource, context, at }) =>
            void navigate({
              search: {
                thing: thing.name,
                action,
                resource,
                ...(context?.sourceIp === undefined ? {} : { sourceIp: context.sourceIp }),
                ...(context?.protocol === undefined ? {} : { protocol: context.protocol }),
                ...(at === undefined ? {} : { time: at }),
              },
            })
          }
        />
      </section>
      {isAsked ? <Answer search={search} /> : null}
    </>
  );
}

function Answer({ search }: { search: WhySearch }) {
  const { thing = '' } = search;
  const request = requestOf({ ...nothingAsked, ...search, at: search.time ?? '' });
  const found = useQuery({
    queryKey: ['things', 'one', thing],
    queryFn: () => api.get('/v1/things/{name}', { path: { name: thing } }),
  });
  const simulated = useQuery({
    queryKey: ['why', search],
    queryFn: () => api.post('/v1/policies/simulate', { body: { requests: [request] } }),
    enabled: found.isSuccess,
    staleTime: 0,
  });
  const rights = useQuery({
    queryKey: ['rights', thing],
    queryFn: () => api.get('/v1/things/{name}/rights', { path: { name: thing } }),
    enabled: found.isSuccess,
  });
  const decision = simulated.data?.decisions[0];
  const refusals = rights.data?.reasons ?? [];
  const error = found.error ?? simulated.error;
  return (
    <>
      <ProblemNote error={error} />
      {decision === undefined && error === null ? <Skeleton lines={6} /> : null}
      {decision === undefined ? null : (
        <>
          <Verdict decision={decision} refusals={refusals} thing={thing} policies={found.data?.policies ?? []} />
          {[...new Set(decision.statements.map(({ policy }) => policy))].map((policy) => (
            <Policy key={policy} of={policy} decision={decision} />
          ))}
        </>
      )}
    </>
  );
}

type VerdictProps = { decision: Decision; refusals: string[]; thing: string; policies: string[] };

function Verdict({ decision, refusals, thing, policies }: VerdictProps) {
  const isRefused = refusals.length > 0;
  const answer = isRefused ? 'deny' : decision.decision;
  return (
    <div className={`note verdict ${answer === 'allow' ? 'good' : 'bad'}`} role="status">
      <Status of={answer} />
      <p>
        {isRefused ? (
          <>
            Whatever its policies say,{' '}
            <Link to="/things/$name" params={{ name: thing }}>
              {thing}
            </Link>{' '}
            is refused now: {refusals.join(', ')}.
          </>
        ) : (
          sentenceOf(decision, policies)
        )}
      </p>
      {isRefused ? null : (
        <p className="faint">
          Edges may keep this answer until <Time at={decision.validUntil} />, or until somebody changes a policy or the
          thing.
        </p>
      )}
    </div>
  );
}

function sentenceOf({ decision, statement, policy, reasons }: Decision, policies: string[]): string {
  if (statement !== undefined)
    return `Statement ${statement} of ${policy?.split('@')[0] ?? 'a policy'} ${decision === 'allow' ? 'allows' : 'denies'} it.`;
  if (policies.length === 0) return 'The thing carries no policy, so nothing is allowed.';
  return `No statement allows it: ${reasons.join(', ')}.`;
}

function Policy({ of, decision }: { of: string; decision: Decision }) {
  const at = of.lastIndexOf('@');
  const [name, version] = [of.slice(0, at), Number(of.slice(at + 1))];
  const read = useQuery(versionQuery(name, version));
  const isDeciding = (id: string) => decision.statement === id && isNamed(decision.policy, name, of);
  const remarkOf = (id: string): Remark | undefined => {
    const said = decision.statements.find(({ policy, statement }) => policy === of && statement === id);
    if (isDeciding(id))
      return { tone: decision.decision === 'allow' ? 'good' : 'bad', text: 'This statement decides.' };
    return said === undefined ? undefined : { text: whyNot(said.why) };
  };
  return (
    <Section title={`${name}, version ${version}`}>
      <ProblemNote error={read.error} />
      {read.data ? <DocumentView document={read.data.document} remarkOf={remarkOf} /> : null}
    </Section>
  );
}

const isNamed = (policy: string | undefined, name: string, of: string): boolean => policy === name || policy === of;

const words: Record<string, string> = {
  holds: 'It matches too, but another statement decides.',
  'other-action': 'It is about other actions.',
  'other-resource': 'It is about other resources.',
  'outside-time-window': 'Its hours are over, or have not begun.',
};

function whyNot(why: string): string {
  const condition = /^condition (.+)$/.exec(why)?.[1];
  return condition === undefined ? (words[why] ?? why) : `Its condition ${condition} does not hold.`;
}
