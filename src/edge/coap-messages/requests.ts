import { readBlock, type Block } from './blocks.js';
import { answerCode, method } from './codes.js';
import type { Message } from './datagrams.js';
import { isCritical, numberOf, optionNumber, type Option } from './options.js';

/** A request that can be answered. */
export type Request = {
  method: 'get' | 'post' | 'put';
  /** The segments of the path, as they were sent. */
  path: string[];
  /** What it shows of its sender. */
  accessToken: string | undefined;
  clientId: string | undefined;
  /** 0 to observe, 1 to stop that; undefined for neither. */
  observe: number | undefined;
  block1: Block | undefined;
  block2: Block | undefined;
  contentFormat: number | undefined;
  accept: number | undefined;
  /** Classes of answers that nobody wants (RFC 7967), as bits. */
  unwanted: number;
  payload: Buffer;
};

/** Why a request is refused: a code of CoAP, and words for its sender. */
export type Refused = { code: number; text: string };

const methods: Readonly<Record<number, Request['method']>> = {
  [method.get]: 'get',
  [method.post]: 'post',
  [method.put]: 'put',
};

/** The longest access token that is read. */
export const longestAccessToken = 16_384;

// RFC 7252 §5.10; a token in the query may be longer than the 255 octets of Uri-Query, because there is nowhere else to put it.
const rules = new Map<number, { most: number; repeats?: true }>([
  [optionNumber.uriHost, { most: 255 }],
  [optionNumber.observe, { most: 3 }],
  [optionNumber.uriPort, { most: 2 }],
  [optionNumber.uriPath, { most: 255, repeats: true }],
  [optionNumber.contentFormat, { most: 2 }],
  [optionNumber.uriQuery, { most: longestAccessToken + 16, repeats: true }],
  [optionNumber.accept, { most: 2 }],
  [optionNumber.block2, { most: 3 }],
  [optionNumber.block1, { most: 3 }],
  [optionNumber.noResponse, { most: 1 }],
  [optionNumber.accessToken, { most: longestAccessToken }],
]);

const isUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads what a request asks for, or says why it is refused. */
export function readRequest({ code, options, payload }: Message): Request | Refused {
  const refused = refusalOf(options);
  if (refused) return refused;
  const kind = methods[code];
  if (!kind) return { code: answerCode.methodNotAllowed, text: 'use GET, POST or PUT' };
  // What may be passed over and makes no sense is passed over (RFC 7252 §5.4.3).
  const fitting = options.filter(({ number, value }) => value.length <= (rules.get(number)?.most ?? -1));
  const path = textsOf(fitting, optionNumber.uriPath);
  const query = textsOf(fitting, optionNumber.uriQuery);
  if (!path || !query) return bad('the path or the query is not UTF-8');
  const find = (number: number): Buffer | undefined => fitting.find((option) => option.number === number)?.value;
  const numeric = (number: number): number | undefined => mapped(find(number), numberOf);
  const [block1, block2] = [optionNumber.block1, optionNumber.block2].map((number) => mapped(find(number), readBlock));
  if (block1 === null || block2 === null) return bad('a block has no valid size');
  const clientId = valueOf(query, ['client']);
  if (clientId?.includes('\0')) return bad('a client id has no U+0000');
  const shown = find(optionNumber.accessToken)?.toString('latin1') ?? valueOf(query, ['token', 'auth']);
  return {
    method: kind,
    path,
    accessToken: shown === '' ? undefined : shown,
    clientId,
    observe: numeric(optionNumber.observe),
    block1,
    block2,
    contentFormat: numeric(optionNumber.contentFormat),
    accept: numeric(optionNumber.accept),
    unwanted: numeric(optionNumber.noResponse) ?? 0,
    payload,
  };
}

const bad = (text: string): Refused => ({ code: answerCode.badRequest, text });

function refusalOf(options: readonly Option[]): Refused | undefined {
  const seen = new Set<number>();
  for (const { number, value } of options) {
    if (number === optionNumber.proxyUri || number === optionNumber.proxyScheme)
      return { code: answerCode.noProxy, text: 'this is no proxy of CoAP' };
    const rule = rules.get(number);
    const isUnknown = !rule || value.length > rule.most || (seen.has(number) && !rule.repeats);
    if (isUnknown && isCritical(number))
      return { code: answerCode.badOption, text: `option ${number} is unknown, repeated or too long` };
    seen.add(number);
  }
  return undefined;
}

/** Undefined if one of them is not UTF-8. */
function textsOf(options: readonly Option[], number: number): string[] | undefined {
  try {
    return options.flatMap((option) => (option.number === number ? [isUtf8.decode(option.value)] : []));
  } catch {
    return undefined;
  }
}

/** The value of the first of these names in a query. */
function valueOf(query: readonly string[], names: readonly string[]): string | undefined {
  const found = query.find((each) => names.some((name) => each.startsWith(`${name}=`)));
  return found?.slice(found.indexOf('=') + 1);
}

function mapped<In, Out>(value: In | undefined, map: (value: In) => Out): Out | undefined {
  return value === undefined ? undefined : map(value);
}

const longestTopic = 1024;

/** The topic that a path is, or why it is none. What is judged and what is forwarded is this text. */
export function topicOf(path: readonly string[]): string | Refused {
  const topic = path.join('/');
  if (topic === '') return { code: answerCode.notFound, text: 'the path is the topic: /a/b is the topic a/b' };
  // A slash within a segment would make another topic of the same path.
  if (path.some((segment) => /[/+#\0]/.test(segment))) return bad('a segment of the path has one of / + # or U+0000');
  if (Buffer.byteLength(topic) > longestTopic) return bad(`a topic has at most ${longestTopic} octets`);
  if (topic === '$share' || topic.startsWith('$share/')) return bad('a topic does not begin with $share');
  return topic;
}
