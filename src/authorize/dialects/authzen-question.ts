import { resourceKinds, type ResourceKind } from '../../policy/action.js';
import { thingNameForm } from '../../shapes.js';
import type { Context } from '../../policy/condition.js';
import type { Refusal } from '../judge.js';
import type { Question } from '../question.js';
import type { Evaluation } from './authzen-schema.js';

type Members = Record<string, unknown>;

// As for /v1/authorize.
const longest = { sourceIp: 256, protocol: 64, clientId: 65_536 };

/**
 * An evaluation as a question; a refusal where it can be about nothing that is here. `properties` of the
 * subject and the resource are not looked at: who a thing is, the registry says.
 */
export function questionOf({ subject, action, resource, context }: Evaluation): Question | Refusal {
  if (!isThing(subject)) return 'unknown-principal';
  if (!isKind(resource.type)) return 'malformed-resource';
  return {
    principal: { thingName: subject.id },
    action: action.name,
    resource: `${resource.type}:${resource.id}`,
    context: contextOf(context, action.properties),
  };
}

/** Whether a subject may be a thing, by its type and the form of its name. */
export function isThing({ type, id }: Evaluation['subject']): boolean {
  return type === 'thing' && thingNameForm.test(id);
}

/** Whether Thingward knows a type of resource. Joined with an id, `topic:a` would say what `topic` says with another. */
export function isKind(type: string): type is ResourceKind {
  return (resourceKinds as readonly string[]).includes(type);
}

/** What of a context is read. `retain` and `qos` belong to the action as well. */
export function contextOf(context: Members = {}, properties: Members = {}): Context {
  const retain = agreed(retains, context['retain'], properties['retain']);
  const qos = agreed(levels, context['qos'], properties['qos']);
  return {
    ...text('sourceIp', context),
    ...text('protocol', context),
    ...clientId(context['clientId']),
    ...(retain === undefined ? {} : { retain }),
    ...(qos === undefined ? {} : { qos }),
  };
}

/** An address or protocol of another type counts as absent, which no allow that asks for it survives. */
function text(name: 'sourceIp' | 'protocol', context: Members): Context {
  const value = context[name];
  return typeof value === 'string' && value.length <= longest[name] ? { [name]: value } : {};
}

/** Without a client id no session is checked, so one that cannot be one is not absent: nobody connects with ''. */
function clientId(value: unknown): Context {
  if (value === undefined || value === null) return {};
  return { clientId: typeof value === 'string' && value.length <= longest.clientId ? value : '' };
}

const retains: NonNullable<Context['retain']>[] = [true, false, 'true', 'false'];
const levels: NonNullable<Context['qos']>[] = [0, 1, 2, '0', '1', '2'];

/** What all who say something say. Where they differ, or one says what is none, it is unsaid: no allow that asks for it survives. */
function agreed<Value>(known: Value[], ...said: unknown[]): Value | undefined {
  const spoken = said.filter((value) => value !== undefined && value !== null);
  const values = spoken.map((value) => known.find((each) => each === value));
  return values.every((value) => value !== undefined && String(value) === String(values[0])) ? values[0] : undefined;
}
