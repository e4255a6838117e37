import { describe, expect, it } from 'vitest';
import { exportToAws } from '../../../../src/policy/aws/export.js';
import { awsThingName } from '../../../../src/policy/aws/resource.js';
import { compilePolicies } from '../../../../src/policy/compile.js';
import { decide } from '../../../../src/policy/decide.js';
import type { PolicyDocument, Statement } from '../../../../src/policy/document.js';
import { parsePolicy, readPolicy } from '../../../../src/policy/policy.js';
import { createPrincipal } from '../../../../src/policy/variables.js';
import { awsAllows, type AwsRequest } from '../../../support/aws/aws-evaluator.js';
import { createRandom, type Random } from '../../../support/policy-cases.js';

const cases = Number(process.env['AWS_CASES'] ?? 100_000);
const arn = 'arn:aws:iot:eu-central-1:123456789012';
const options = { arn, account: 'acme', thingName: awsThingName, requireAttached: true };

const statement = (id: string, effect: 'allow' | 'deny', actions: string[], resources: string[], condition?: object) =>
  ({ id, effect, actions, resources, ...(condition ? { condition } : {}) }) as Statement;
const policy = (...statements: Statement[]) => parsePolicy({ name: 'p', statements });
const exported = (...statements: Statement[]) => exportToAws(policy(...statements), options);
const resourcesOf = (result: ReturnType<typeof exportToAws>, action: string) =>
  (result.document?.Statement ?? [])
    .filter(({ Action }) => Action.includes(action))
    .flatMap(({ Resource }) => Resource.map((resource) => resource.slice(arn.length + 1)));

describe('exportToAws', () => {
  it('says a/# as a and a/*, for attached certificates only', () => {
    const result = exported(
      statement('own', 'allow', ['publish', 'subscribe'], ['topic:${account}/${thing.name}/data/#', 'topic:a/+/b']),
    );
    expect(resourcesOf(result, 'iot:Publish')).toEqual([
      `topic/acme/${awsThingName}/data`,
      `topic/acme/${awsThingName}/data/*`,
    ]);
    expect(resourcesOf(result, 'iot:Subscribe')).toContain('topicfilter/a/+/b');
    expect(result.warnings).toMatchObject([
      { statement: 'own', message: expect.stringContaining('topic:a/+/b is left out') },
    ]);
    for (const { Condition } of result.document!.Statement)
      expect(Condition).toEqual({ Bool: { 'iot:Connection.Thing.IsAttached': ['true'] } });
  });

  it('denies every filter that can overlap, and its shared forms', () => {
    const result = exported(statement('no', 'deny', ['receive'], ['topic:a/b']));
    const filters = ['#', 'a/b', 'a/+', '+/b', '+/+', 'a/#', '+/#', 'a/b/#', 'a/+/#', '+/b/#', '+/+/#'];
    expect(resourcesOf(result, 'iot:Subscribe').sort()).toEqual(
      filters.flatMap((filter) => [`topicfilter/${filter}`, `topicfilter/$share/*/${filter}`]).sort(),
    );
    expect(resourcesOf(result, 'iot:Receive')).toEqual(['topic/a/b']);
  });

  it('denies every filter with a wildcard when the exact ones are too many', () => {
    const result = exported(statement('no', 'deny', ['subscribe'], ['topic:one/two/three/four/five']));
    expect(resourcesOf(result, 'iot:Subscribe')).toEqual(
      expect.arrayContaining(['topicfilter/*+*', 'topicfilter/*#*']),
    );
    expect(JSON.stringify(result.document).length).toBeLessThanOrEqual(2048);
    expect(result.warnings.at(-1)!.message).toContain('every filter with a wildcard');
  });

  it('refuses what AWS has no room for', () => {
    const topics = Array.from({ length: 60 }, (_, n) => `topic:acme/${n}/${'x'.repeat(30)}`);
    expect(exported(statement('many', 'deny', ['publish'], topics))).toMatchObject({
      refusals: [{ message: expect.stringContaining('2048') }],
    });
  });

  it('denies everything of a kind where a value may be missing', () => {
    const result = exported(
      statement('no', 'deny', ['publish', 'connect'].slice(0, 1), ['topic:a/${thing.attributes.v}']),
    );
    expect(resourcesOf(result, 'iot:Publish')).toEqual(['topic/*']);
  });

  it('warns of each thing it leaves out, by its statement', () => {
    const result = exported(
      statement('all', 'allow', ['publish'], ['*']),
      statement('lead', 'allow', ['subscribe'], ['topic:+/a']),
      statement('star', 'allow', ['publish'], ['topic:a*/b']),
      statement('type', 'allow', ['publish'], ['topic:${thing.type}/b']),
      statement('door', 'allow', ['open'], ['endpoint:door']),
      statement('hours', 'allow', ['publish'], ['topic:a'], { retain: true }),
      statement('six', 'allow', ['publish'], ['topic:a'], { sourceCidrs: ['::/0'] }),
    );
    expect(result.warnings.map(({ statement: id }) => id)).toEqual([
      'all',
      'lead',
      'star',
      'type',
      'door',
      'hours',
      'six',
    ]);
    expect(JSON.stringify(result.document)).not.toContain('Allow');
  });

  it(`never allows in AWS what the engine does not, in ${cases} random cases`, () => {
    const random = createRandom(Number(process.env['POLICY_SEED'] ?? 20_261_122));
    const seen = { allowed: 0, denied: 0, shared: 0, dollar: 0, unattached: 0, sourceless: 0, refused: 0, withDeny: 0 };
    for (let done = 0; done < cases;) {
      const documents = Array.from({ length: 1 + random.below(3) }, (_, n) => randomPolicy(random, n));
      const results = documents.map((document) => exportToAws(document, options));
      if (results.some(({ document }) => !document)) seen.refused++;
      const aws = results.flatMap(({ document }) => (document ? [document] : []));
      if (aws.length < results.length) continue;
      const compiled = compilePolicies(
        documents.map((document, n) => ({ name: document.name, version: n + 1, document })),
      );
      for (let question = 0; question < 20; question++, done++) {
        const { session, request, attributes, type } = randomQuestion(random, JSON.stringify(aws), aws);
        const allowed = awsAllows(arn, aws, session, request);
        if (session.thingName === undefined) seen.unattached++;
        if (session.sourceIp === undefined) seen.sourceless++;
        if (request.text.startsWith('$share/')) seen.shared++;
        if (request.text.startsWith('$aws/')) seen.dollar++;
        seen[allowed ? 'allowed' : 'denied']++;
        if (!allowed) continue;
        if (JSON.stringify(aws).includes('Deny')) seen.withDeny++;
        const principal = createPrincipal({ account: 'acme', thing: { name: 'n', type, attributes } });
        const { action, resource } = ours(request);
        const context = {
          clientId: session.clientId,
          sourceIp: session.sourceIp,
          retain: request.action === 'RetainPublish',
          qos: 0,
        };
        const decision = decide(compiled, principal, { action, resource, context, at: 0 });
        if (!decision.allowed) expect.fail(JSON.stringify({ documents, aws, session, request, decision }, null, 1));
      }
    }
    console.log(
      `aws export: cases=${cases} wider=0 ${Object.entries(seen)
        .map(([name, n]) => `${name}=${n}`)
        .join(' ')}`,
    );
    expect(
      Math.min(seen.allowed, seen.shared, seen.dollar, seen.unattached, seen.sourceless, seen.withDeny),
    ).toBeGreaterThan(cases / 500);
  });
});

function ours({ action, text }: AwsRequest): { action: string; resource: string } {
  switch (action) {
    case 'Connect':
      return { action: 'connect', resource: `client:${text}` };
    case 'Subscribe':
      return { action: 'subscribe', resource: `topic:${text}` };
    case 'Receive':
      return { action: 'receive', resource: `topic:${text}` };
    case 'Publish':
    case 'RetainPublish':
      return { action: 'publish', resource: `topic:${text}` };
  }
}

const written = [
  'a',
  'b',
  'n',
  '',
  '$aws',
  '$share',
  'g',
  'acme',
  '$',
  'a*',
  'b?',
  '*',
  '${thing.name}',
  '${account}',
  'x${thing.name}',
  '${thing.type}',
  '${thing.attributes.v}',
  '$${thing.name}',
];

function randomPolicy(random: Random, n: number): PolicyDocument {
  for (;;) {
    const statements = Array.from({ length: 1 + random.below(3) }, (_, id) => randomStatement(random, `s${id}`));
    const connect = statement(
      'connect',
      'allow',
      ['connect'],
      [random.pick(['client:${thing.name}', 'client:n', 'client:${account}:${thing.name}'])],
    );
    const { document, faults } = readPolicy({ name: `p${n}`, statements: [connect, ...statements] });
    if (document && faults.length === 0) return document;
  }
}

function randomStatement(random: Random, id: string): Statement {
  const effect = random.chance(0.3) ? 'deny' : 'allow';
  const topics = Array.from({ length: 1 + random.below(2) }, () => `topic:${randomFilter(random)}`);
  const actions = random.chance(0.15) ? ['*'] : ['publish', 'subscribe', 'receive'].filter(() => random.chance(0.6));
  const resources = random.chance(0.06) ? ['*'] : topics;
  const cidrs = ['10.0.0.0/8', '10.1.2.3/24', '2001:db8::/32', '::/0', '0.0.0.0/0', '::ffff:10.0.0.0/104'];
  const condition = random.chance(0.25)
    ? { sourceCidrs: [random.pick(cidrs), random.pick(cidrs)] }
    : random.chance(0.1)
      ? { retain: random.chance(0.5) }
      : undefined;
  return statement(id, effect, actions.length > 0 ? actions : ['publish'], resources, condition);
}

function randomFilter(random: Random): string {
  const levels = Array.from({ length: 1 + random.below(3) }, () => (random.chance(0.2) ? '+' : random.pick(written)));
  if (random.chance(0.4)) levels.push('#');
  return levels.join('/');
}

const tails = ['', 'a', 'b', 'a/b', '+', '#', 'a/#', '+/b', '+/#', 'b/+', '/', 'x/y/z', '*', 'g/a', 'a/+/#'];
const firsts = ['a', 'b', '', '+', '#', '$aws', '$share', 'acme', 'n', 'g', 'a*', 'axb'];

/** A request that AWS's documents are likely to allow: one of their patterns with its wildcards filled, or any. */
function randomQuestion(random: Random, text: string, aws: { Statement: { Effect: string; Resource: string[] }[] }[]) {
  const thingName = random.chance(0.9) ? 'n' : undefined;
  const session = {
    clientId: random.pick(['n', 'n', 'n', 'acme:n', 'a']),
    thingName,
    sourceIp: random.pick([undefined, '10.1.2.3', '10.1.2.3', '192.0.2.1', '2001:db8::1', '::ffff:10.1.2.3']),
  };
  const allows = aws
    .flatMap(({ Statement }) => Statement)
    .filter(({ Effect }) => Effect === 'Allow' || text.length % 5 === 0);
  const patterns = allows.flatMap(({ Resource }) => Resource).map((resource) => resource.slice(arn.length + 1));
  const attributes: Record<string, string> = random.chance(0.5) ? { v: random.pick(['a', 'b', '+', 'a/b']) } : {};
  const type = random.chance(0.5) ? 'a' : undefined;
  for (;;) {
    const request = randomRequest(random, patterns);
    if (isMqtt(request)) return { session, request, attributes, type };
  }
}

function randomRequest(random: Random, patterns: string[]): AwsRequest {
  const actions = { client: ['Connect'], topic: ['Publish', 'RetainPublish', 'Receive'], topicfilter: ['Subscribe'] };
  const type = random.pick(['client', 'topic', 'topic', 'topicfilter', 'topicfilter'] as const);
  const fitting = patterns.filter((pattern) => pattern.startsWith(`${type}/`));
  const guess = () => Array.from({ length: 1 + random.below(3) }, () => random.pick(firsts)).join('/');
  const filled = () =>
    random
      .pick(fitting)
      .slice(type.length + 1)
      .replaceAll(awsThingName, 'n')
      .replace(/\*/g, () => random.pick(tails));
  const text =
    fitting.length > 0 && random.chance(0.8)
      ? filled()
      : type === 'client'
        ? random.pick(['n', 'a', 'acme:n'])
        : guess();
  const shared = type === 'topicfilter' && random.chance(0.1) ? `$share/g/${text}` : text;
  return { action: random.pick(actions[type]) as AwsRequest['action'], text: shared };
}

/** What a broker would look at all: topics without wildcards, filters whose wildcards fill their level. */
function isMqtt({ action, text }: AwsRequest): boolean {
  if (text === '') return false;
  const levels = text.split('/');
  if (action === 'Connect') return true;
  if (action !== 'Subscribe') return !/[+#]/.test(text);
  return levels.every(
    (level, index) => !/[+#]/.test(level) || level === '+' || (level === '#' && index === levels.length - 1),
  );
}
