import { rfc3339 } from '../clock.js';
import type { Message } from './receiver.js';

/** An event as CloudEvents 1.0 in structured JSON. */
export function cloudEvent(source: string, { messageId, type, subject, data, at }: Message): string {
  return JSON.stringify({
    specversion: '1.0',
    id: messageId,
    source,
    type,
    subject,
    time: rfc3339(at),
    datacontenttype: 'application/json',
    data,
  });
}

/** An alert in the shape that Standard Webhooks recommends. */
export function alertBody({ type, data, at }: Message): string {
  return JSON.stringify({ type, timestamp: rfc3339(at), data });
}

/** An alert as Slack and what copies it takes it. Its text is escaped: nothing in a name becomes a mention or a link. */
export function slackBody(message: Message): string {
  const text = `*${subjectOf(message)}*\n${linesOf(message).join('\n')}`;
  const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  return JSON.stringify({ text: escaped });
}

/** The subject line of an alert. */
export function subjectOf({ type, data }: Message): string {
  const { rule = '', severity = '' } = data as { rule?: string; severity?: string };
  const what = type === 'alert.resolved' ? 'resolved' : type === 'alert.test' ? 'test' : severity;
  return `[${what}] ${rule}`;
}

/** What an alert says, a line for each member. */
export const linesOf = ({ data }: Message): string[] =>
  Object.entries(data).map(([name, value]) => `${name}: ${String(value)}`);
