import { describe, expect, it } from 'vitest';
import { importFromAws } from '../../../../src/policy/aws/import.js';
import { compilePolicies } from '../../../../src/policy/compile.js';
import { decide } from '../../../../src/policy/decide.js';
import { createPrincipal } from '../../../../src/policy/variables.js';
import { awsAllows, type AwsPolicy, type AwsRequest } from '../../../support/aws/aws-evaluator.js';
import { createRandom, type Random } from '../../../support/policy-cases.js';

const place = { region: 'eu-central-1', awsAccount: '123456789012' };
const arn = 'arn:aws:iot:eu-central-1:123456789012';
const cases = 40_000;

const name = '${iot:Connection.Thing.ThingName}';
const levels = ['a', 'b', 'n', name, '*', 'x*', '?', '', '+', 'a*b'];
const text = (random: Random) =>
  Array.from({ length: 1 + random.below(3) }, () => random.pick(levels)).join('/') || 'a';

function randomDocument(random: Random): AwsPolicy {
  const types = {
    'iot:Publish': 'topic',
    'iot:Receive': 'topic',
    'iot:Subscribe': 'topicfilter',
    'iot:RetainPublish': 'topic',
  };
  const statement = () => {
    const action = random.pick(Object.keys(types)) as keyof typeof types;
    const resource = random.chance(0.1)
      ? '*'
      : `${random.chance(0.1) ? 'arn:aws:iot:us-west-2:123456789012' : arn}:${types[action]}/${text(random)}`;
    return {
      Effect: random.chance(0.3) ? 'Deny' : 'Allow',
      Action: random.chance(0.2) ? 'iot:*' : action === 'iot:RetainPublish' ? ['iot:Publish', action] : action,
      Resource: random.chance(0.3) ? [resource, `${arn}:topic/${text(random)}`] : resource,
      ...(random.chance(0.2) ? { Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8'] } } } : {}),
    };
  };
  const connect = { Effect: 'Allow', Action: 'iot:Connect', Resource: `${arn}:client/${name}` };
  return { Statement: [connect, ...Array.from({ length: 1 + random.below(3) }, statement)] };
}

describe('importFromAws', () => {
  it(`allows nothing that AWS does not, in ${cases} random cases`, () => {
    const random = createRandom(7);
    let [allowed, unsaid] = [0, 0];
    for (let done = 0; done < cases;) {
      const aws = randomDocument(random);
      const { document } = importFromAws('p', JSON.stringify(aws), place);
      if (!document) {
        unsaid++;
        continue;
      }
      const compiled = compilePolicies([{ name: 'p', version: 1, document }]);
      const principal = createPrincipal({ account: 'acme', thing: { name: 'n', attributes: {} } });
      for (let question = 0; question < 10; question++, done++) {
        const action = random.pick(['publish', 'receive', 'subscribe']);
        const retain = random.chance(0.3);
        const topic =
          Array.from({ length: 1 + random.below(3) }, () => random.pick(['a', 'b', 'n', 'x', 'axb', ''])).join('/') ||
          'a';
        const sourceIp = random.pick(['10.1.1.1', '192.0.2.1', undefined]);
        const context = { clientId: 'n', retain, sourceIp, qos: 0 };
        if (!decide(compiled, principal, { action, resource: `topic:${topic}`, context, at: 0 }).allowed) continue;
        allowed++;
        const session = { clientId: 'n', thingName: 'n', sourceIp };
        const kinds = {
          publish: retain ? 'RetainPublish' : 'Publish',
          receive: 'Receive',
          subscribe: 'Subscribe',
        } as const;
        const inAws = (request: AwsRequest) => awsAllows(arn, [aws], session, request);
        // A subscription is allowed where a wider one is: what it brings is part of that.
        const wider = (filter: string) =>
          topic.split('/').flatMap((_, n) => [filter, [...topic.split('/').slice(0, n + 1), '#'].join('/')]);
        const plus = topic.split('/').map((_, n) =>
          topic
            .split('/')
            .map((level, m) => (m === n ? '+' : level))
            .join('/'),
        );
        const texts = action === 'subscribe' ? [...wider(topic), ...plus, '+/+', '+/+/+'] : [topic];
        const isIn = texts.some((each) => inAws({ action: kinds[action as keyof typeof kinds], text: each }));
        if (!isIn) expect.fail(JSON.stringify({ aws, document, action, topic, context }, null, 1));
      }
    }
    console.log(`aws import: cases=${cases} wider=0 allowed=${allowed} unsaid=${unsaid}`);
    expect(allowed).toBeGreaterThan(cases / 100);
  });

  it('names what it cannot say', () => {
    const statements = [
      { Sid: 'any client', Effect: 'Allow', Action: 'iot:Connect', Resource: `${arn}:client/*` },
      { Effect: 'Allow', Action: 'iot:Publish', Resource: `${arn}:topic/a/*/b` },
      { Effect: 'Allow', NotAction: 'iot:Connect', Resource: '*' },
      { Effect: 'Deny', NotAction: 'iot:Connect', Resource: '*' },
      { Effect: 'Allow', Action: 'iot:Receive', Resource: `${arn}:topic/\${iot:ClientId}` },
    ];
    const { document, warnings } = importFromAws('p', JSON.stringify({ Statement: statements }), place);
    expect(warnings.map(({ statement }) => statement)).toEqual(['any-client', 's2', 's3', 's5']);
    expect(document!.statements.every(({ effect, resources }) => effect === 'deny' && resources.includes('*'))).toBe(
      true,
    );
    expect(importFromAws('p', 'nonsense', place).document).toBeUndefined();
  });
});
