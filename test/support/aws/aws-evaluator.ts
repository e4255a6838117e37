import { BlockList, isIP } from 'node:net';

/**
 * AWS IoT's decisions as its developer guide describes them: default deny, an explicit deny wins, `*` is any run of
 * characters and `?` one of them, `+` and `#` are text, and variables are filled where they have a plain value.
 */
type Strings = string | string[];
export type AwsPolicy = {
  Statement: {
    Effect: string;
    Action: Strings;
    Resource: Strings;
    Condition?: Record<string, Record<string, Strings>>;
  }[];
};

type AwsSession = {
  clientId: string;
  /** The thing that the certificate is attached to. */
  thingName?: string | undefined;
  sourceIp?: string | undefined;
};

export type AwsRequest = { action: 'Connect' | 'Publish' | 'RetainPublish' | 'Receive' | 'Subscribe'; text: string };

const types = {
  Connect: 'client',
  Publish: 'topic',
  RetainPublish: 'topic',
  Receive: 'topic',
  Subscribe: 'topicfilter',
};

/** Whether a session may do something, all policies of its certificate together. It exists only where it may connect. */
export function awsAllows(arn: string, policies: AwsPolicy[], session: AwsSession, request: AwsRequest): boolean {
  const connected = decide(arn, policies, session, { action: 'Connect', text: session.clientId });
  if (request.action === 'Connect' || !connected)
    return connected && request.action === 'Connect' && request.text === session.clientId;
  // A retained message is a publication too.
  if (request.action === 'RetainPublish' && !decide(arn, policies, session, { ...request, action: 'Publish' }))
    return false;
  return decide(arn, policies, session, request);
}

function decide(arn: string, policies: AwsPolicy[], session: AwsSession, { action, text }: AwsRequest): boolean {
  const resource = `${arn}:${types[action]}/${text}`;
  const matching = policies
    .flatMap(({ Statement }) => Statement)
    .filter((statement) => list(statement.Action).some((pattern) => isLike(pattern, `iot:${action}`)))
    .filter((statement) => list(statement.Resource).some((pattern) => isLike(fill(pattern, session), resource)))
    .filter(({ Condition = {} }) =>
      Object.entries(Condition).every(([operator, keys]) => holds(operator, keys, session)),
    );
  return matching.some(({ Effect }) => Effect === 'Allow') && !matching.some(({ Effect }) => Effect === 'Deny');
}

function holds(operator: string, keys: Record<string, Strings>, { thingName, sourceIp }: AwsSession): boolean {
  return Object.entries(keys).every(([key, values]) => {
    if (operator === 'Bool' && key === 'iot:Connection.Thing.IsAttached')
      return list(values).includes(String(thingName !== undefined));
    if (operator === 'IpAddress' && key === 'aws:SourceIp')
      return sourceIp !== undefined && list(values).some((range) => isWithin(sourceIp, range));
    throw new Error(`the evaluator does not know ${operator} ${key}`);
  });
}

function isWithin(address: string, range: string): boolean {
  const [network, bits] = range.split('/') as [string, string];
  const family = (text: string) => (isIP(text) === 6 ? 'ipv6' : 'ipv4');
  const block = new BlockList();
  block.addSubnet(network, Number(bits), family(network));
  return block.check(address, family(address));
}

/** A value with characters that mean something is not filled in. */
function fill(pattern: string, { thingName }: AwsSession): string {
  return thingName === undefined || /[*$+?#]/.test(thingName)
    ? pattern
    : pattern.replaceAll('${iot:Connection.Thing.ThingName}', thingName);
}

function isLike(pattern: string, text: string): boolean {
  const source = pattern
    .split(/(\$\{[*?$]\}|[*?])/)
    .map((part) => {
      if (part === '*') return '[^]*';
      if (part === '?') return '[^]';
      return (/^\$\{[*?$]\}$/.test(part) ? part[2]! : part).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    })
    .join('');
  return new RegExp(`^${source}$`, 'u').test(text);
}

const list = (value: Strings): string[] => (Array.isArray(value) ? value : [value]);
