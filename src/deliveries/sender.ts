import type { Clock } from '../clock.js';
import type { GuardedFetch } from '../outbound/fetch.js';
import type { SendMail } from '../outbound/mail.js';
import { sealedAs, type Sealer } from '../sealing.js';
import { alertBody, cloudEvent, linesOf, slackBody, subjectOf } from './contents.js';
import { longestAnswer, type Message, type Outcome, type Receiver } from './receiver.js';
import { signatureHeaders } from '../outbound/standard-webhooks.js';

type Deps = {
  fetch: GuardedFetch;
  /** Absent where the operator named no mail server. */
  mail: SendMail | undefined;
  sealer: Pick<Sealer, 'open'>;
  clock: Clock;
  publicUrl: string;
};

/** Tells a receiver something, once. Never rejects: what goes wrong is an outcome. */
export type Send = (receiver: Receiver, message: Message, signal?: AbortSignal) => Promise<Outcome>;

/** How receivers are told. */
export function createSender({ fetch, mail, sealer, clock, publicUrl }: Deps): Send {
  const secretOf = ({ id, secretSealed }: Receiver): string =>
    sealer.open(secretSealed!, sealedAs.receiver(id)).toString('utf8');

  type Posted = { id: string; body: string; type: string; signal: AbortSignal | undefined };

  const post = async (receiver: Receiver, { id, body, type, signal }: Posted): Promise<Outcome> => {
    const signed = receiver.secretSealed ? signatureHeaders(secretOf(receiver), id, clock(), body) : {};
    const headers = { 'content-type': type, 'user-agent': 'Thingward', accept: '*/*', ...signed };
    const answer = await fetch(receiver.url!, { method: 'POST', headers, body, signal });
    const { status } = answer;
    const away = status >= 500 || status === 429 || status === 408;
    return { delivered: status >= 200 && status < 300, away, status, answer: cut(await answer.text()) };
  };

  const send: Send = async (receiver, message, signal) => {
    const { messageId: id } = message;
    const json = 'application/json';
    switch (receiver.kind) {
      case 'events': {
        const source = `${publicUrl}/accounts/${receiver.account}`;
        return post(receiver, { id, body: cloudEvent(source, message), type: 'application/cloudevents+json', signal });
      }
      case 'webhook':
        return post(receiver, { id, body: alertBody(message), type: json, signal });
      case 'slack':
        return post(receiver, { id, body: slackBody(message), type: json, signal });
      case 'email': {
        if (!mail) throw new Error('the operator has set no mail server: THINGWARD_SMTP_URL and THINGWARD_SMTP_FROM');
        const text = linesOf(message).join('\n');
        const answer = await mail({ to: receiver.recipients, subject: subjectOf(message), text, id });
        return { delivered: true, away: false, answer: cut(answer) };
      }
    }
  };

  return (receiver, message, signal) =>
    send(receiver, message, signal).catch((error: Error) => ({
      delivered: false,
      away: true,
      answer: cut(said(error)),
    }));
}

/** Text that every database holds, of bounded length. */
function cut(text: string): string {
  return text.slice(0, longestAnswer).replace(/[\0\p{Cs}]/gu, '\ufffd');
}

function said(error: Error & { code?: string }): string {
  return error.message || (error.code ?? 'no answer');
}
