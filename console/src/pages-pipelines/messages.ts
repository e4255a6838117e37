import type { Schemas } from '../api.js';
import { jsonIn } from '../json/json.js';

/** A message as somebody recorded it. */
export type Recorded = Schemas['RecordedMessage'];

/** The most that a simulation takes at once. */
export const mostMessages = 2000;

/** An example to begin with, a message on each line. */
export const exampleMessages = `{ "thing": "pump-17", "type": "pump", "topic": "default/pump-17/telemetry/a", "at": "2027-01-15T08:00:01Z", "payload": { "p": 5 } }
{ "thing": "pump-17", "type": "pump", "topic": "default/pump-17/telemetry/a", "at": "2027-01-15T08:00:31Z", "payload": { "p": 9 } }
`;

/**
 * The messages of a text: one on each line, a list of them, or a simulation as the API takes it.
 * @throws Error that names the line which is none
 */
export function messagesIn(text: string): Recorded[] {
  const messages = listIn(text.trim());
  if (messages.length === 0) throw new Error('There is no message. Paste one on each line, as JSON.');
  if (messages.length > mostMessages)
    throw new Error(`There are ${messages.length.toLocaleString()} messages: at most ${mostMessages} at once.`);
  return messages as Recorded[];
}

function listIn(text: string): unknown[] {
  if (text.startsWith('[')) return jsonIn(text, 'The list of messages') as unknown[];
  const whole = simulationIn(text);
  if (whole !== undefined) return whole;
  return text
    .split('\n')
    .map((line, at) => [line, at + 1] as const)
    .filter(([line]) => line.trim() !== '')
    .map(([line, at]) => jsonIn(line, `Line ${at}`));
}

// A file that was sent to the API before has its messages in a member.
function simulationIn(text: string): unknown[] | undefined {
  try {
    const { messages } = JSON.parse(text) as { messages?: unknown };
    return Array.isArray(messages) ? messages : undefined;
  } catch {
    return undefined;
  }
}
