import type { Schemas } from '../api.js';

type Statement = Schemas['PolicyStatementInput'];
type Condition = Schemas['PolicyConditionInput'];
type Window = Schemas['TimeWindowInput'];

/** A word that fits a place in a document, what it means, and what it stands for where it is a member. */
export type Word = { label: string; info: string; value?: string };

// A member that the API gains or loses does not compile here.
const words = (members: Record<string, [info: string, value: string]>): Word[] =>
  Object.entries(members).map(([label, [info, value]]) => ({ label, info, value }));

const statementWords = {
  id: ['The name of the statement, which answers and the audit show', '""'],
  effect: ['allow or deny; a deny overrides every allow', '"allow"'],
  actions: ['What is done', '[""]'],
  resources: ['What it is done to', '[""]'],
  condition: ['What must hold besides', '{}'],
} satisfies Record<keyof Statement, [string, string]>;

const conditionWords = {
  timeWindows: [
    'Within one of these hours',
    '[{ "from": "06:00", "to": "22:00", "days": ["mon"], "timeZone": "Europe/Berlin" }]',
  ],
  sourceCidrs: ['From one of these address ranges', '["10.0.0.0/8"]'],
  protocols: ['Over one of these', '["mqtts"]'],
  attributes: ['Each attribute of the thing has one of its values', '{ "site": [""] }'],
  retain: ['Whether the publication is retained', 'false'],
  qos: ['One of these qualities of service', '[0, 1]'],
} satisfies Record<keyof Condition, [string, string]>;

const windowWords = {
  from: ['When it begins; this minute is included', '"06:00"'],
  to: ['When it ends; before from is the next day', '"22:00"'],
  days: ['The days on which it begins', '["mon"]'],
  timeZone: ['An IANA time zone', '"Europe/Berlin"'],
} satisfies Record<keyof Window, [string, string]>;

const documentWords = {
  name: ['The name of the policy', '""'],
  dataSensitivity: ['How sensitive the data is', '"medium"'],
  statements: ['What it allows and denies', '[]'],
} satisfies Record<keyof Schemas['PolicyDocumentInput'], [string, string]>;

/** The members of an object, by where it stands in a document. */
export const members: Record<string, Word[]> = {
  '': words(documentWords),
  statements: words(statementWords),
  'statements.condition': words(conditionWords),
  'statements.condition.timeWindows': words(windowWords),
};

const known = (values: Record<string, string>): Word[] =>
  Object.entries(values).map(([label, info]) => ({ label, info }));

const actions = {
  connect: 'Connect with a client id',
  publish: 'Publish to a topic',
  subscribe: 'Subscribe to a topic filter',
  receive: 'Receive from a topic',
  request: 'Ask over HTTP',
  '*': 'Every action',
};

const variables = [
  '${account}',
  '${thing.name}',
  '${thing.type}',
  '${thing.attributes.NAME}',
  '${certificate.serialNumber}',
];

const resources = {
  'topic:${account}/${thing.name}/': 'A topic, or a filter with + and #',
  'client:${thing.name}': 'A client id',
  'endpoint:': 'An endpoint by name',
  'http:GET /': 'A path over HTTP; + is one segment, a last # the rest',
  '*': 'Any resource of any kind',
  ...Object.fromEntries(variables.map((name) => [name, 'A value of the thing, which fills one level'])),
};

/** The values of a member, by where it stands. */
export const values: Record<string, () => Word[]> = {
  dataSensitivity: () => known({ low: '', medium: '', high: '' }),
  'statements.effect': () => known({ allow: 'Allow what matches', deny: 'Deny what matches, whatever else allows it' }),
  'statements.actions': () => known(actions),
  'statements.resources': () => known(resources),
  'statements.condition.protocols': () =>
    known({ mqtt: '', mqtts: '', ws: '', wss: '', http: '', https: '', coap: '', coaps: '' }),
  'statements.condition.timeWindows.days': () =>
    known({ mon: '', tue: '', wed: '', thu: '', fri: '', sat: '', sun: '' }),
  'statements.condition.timeWindows.timeZone': () => zones().map((label) => ({ label, info: '' })),
};

const zones = (): string[] => ['UTC', ...Intl.supportedValuesOf('timeZone')];

/** A statement to begin with. */
export const firstStatement = {
  id: 'connect',
  effect: 'allow',
  actions: ['connect'],
  resources: ['client:${thing.name}'],
} as const;
