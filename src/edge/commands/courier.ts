import { randomUUID } from 'node:crypto';
import type { Gate, Guest } from '../gate.js';
import type { Timers } from '../proxy/sessions.js';
import type { Witness } from '../proxy/witness.js';
import { answeredIn, readAnswer } from './answers.js';
import { commandTopic } from './filters.js';
import { createOutbox, type Outcome } from './outbox.js';
import type { Published, Publisher } from './publisher.js';
import { createReceivers, hindranceOf, type Receiver } from './receivers.js';

/** A command that this edge, and no other, has to send. */
type Claimed = {
  id: string;
  session: string;
  thingName: string;
  thingId: string;
  name: string;
  payload: unknown;
  expiresAt: string;
};

/** What a claim asks for. */
export type Claim = { claim: string; sessions: { id: string; names?: readonly string[] }[] };

/** What a claim is answered: commands, and the sessions that the control plane knows. */
export type ClaimAnswer = { commands: Claimed[]; held: string[]; more: boolean };

/** How the control plane is asked. Each throws where it gives no answer that can be used. */
export type CommandDesk = {
  claim(claim: Claim): Promise<ClaimAnswer>;
  /** False where they are taken never. */
  report(outcomes: Outcome[]): Promise<boolean>;
};

type Options = {
  desk: CommandDesk;
  gate: Pick<Gate, 'now' | 'standing' | 'judge'>;
  publisher: Publisher;
  timers: Timers;
  witness: Pick<Witness, 'decided' | 'refused'>;
};

const mostSessions = 200;
// A broker that acknowledges slowly, or not, stops no other command before so many.
const mostUnderWay = 200;
const retryMs = { first: 500, most: 15_000 };

export type Courier = ReturnType<typeof createCourier>;

/** Carries commands from the control plane to the devices whose sessions are here: claimed first, sent once, and then told what became of them. */
export function createCourier({ desk, gate, publisher, timers, witness }: Options) {
  const outbox = createOutbox({ send: desk.report, timers });
  const receivers = createReceivers({ timers, wake: () => wake() });
  let asking: Promise<void> | undefined;
  let isAsking = false;
  const underWay = new Set<Promise<void>>();
  // Asked again as it is when the answer was lost: what it claimed must not be lost with it.
  let unanswered: Claim | undefined;
  let failures = 0;
  let timer: unknown;
  let ended = false;

  const nextClaim = (): Claim | undefined => {
    if (unanswered) return unanswered;
    const sessions = receivers.take(mostSessions);
    return sessions.length > 0 ? { claim: randomUUID(), sessions } : undefined;
  };

  const ask = async (): Promise<void> => {
    try {
      while (!ended && publisher.isOpen() && underWay.size < mostUnderWay) {
        const claim = nextClaim();
        if (!claim) return;
        unanswered = claim;
        const answer = await desk.claim(claim).catch(() => undefined);
        if (!answer) return retry();
        unanswered = undefined;
        failures = 0;
        take(claim, answer);
      }
    } finally {
      // At once with the last look: what comes up from now on begins another round.
      isAsking = false;
    }
  };

  const retry = (): void => {
    if (!ended) timer = timers.set(start, Math.min(retryMs.first * 2 ** failures++, retryMs.most));
  };

  const take = (claim: Claim, { commands, held, more }: ClaimAnswer): void => {
    const known = new Set(held);
    for (const { id } of claim.sessions) if (!known.has(id)) receivers.later(id);
    for (const command of commands) {
      const sent: Promise<void> = send(command).finally(() => {
        underWay.delete(sent);
        wake();
      });
      underWay.add(sent);
    }
    if (more) for (const { id } of claim.sessions) receivers.mark(id);
  };

  const send = async (command: Claimed): Promise<void> => {
    const { id, thingName, session } = command;
    const became = await carry(command, receivers.get(session));
    if (became === undefined) return;
    outbox.say({ id, thingName, ...became });
    if (became.status === 'released') receivers.later(session);
    else receivers.served(session);
  };

  /** Judges and publishes a command. Undefined where it is not known what became of it: it is never sent again then. */
  const carry = async (
    command: Claimed,
    receiver: Receiver | undefined,
  ): Promise<Pick<Outcome, 'status' | 'reason'> | undefined> => {
    const { id, name, payload, expiresAt, thingId, thingName } = command;
    const guest = receiver?.guest();
    const seconds = (Date.parse(expiresAt) - gate.now()) / 1000;
    const isHere = receiver && guest && !receiver.isOver() && guest.thingId === thingId;
    if (ended || !isHere || guest.thingName !== thingName || seconds <= 0) return { status: 'released' };
    const topic = commandTopic(guest.account, thingName, name);
    const { hindrance, ask: asked, verdict } = hindranceOf(gate, guest, receiver, topic);
    if (verdict) witness.decided(guest, asked, verdict);
    if (hindrance === 'passing') return { status: 'released' };
    if (hindrance) {
      const { denied } = hindrance;
      witness.refused(verdict?.refusal ?? 'statement', {
        what: 'receive',
        why: denied,
        thing: thingName,
        resource: asked.resource,
      });
      return { status: 'failed', reason: `denied: ${denied}` };
    }
    const message = JSON.stringify({ id, name, payload, expiresAt });
    return outcomeOf(await publisher.publish(topic, message, seconds));
  };

  const start = (): void => {
    timer = undefined;
    if (isAsking || ended) return;
    isAsking = true;
    // What comes up together is asked together.
    asking = Promise.resolve().then(ask);
  };

  const wake = (): void => {
    if (timer === undefined) start();
  };

  return {
    opened: receivers.opened,
    closed: receivers.closed,
    reported: receivers.reported,
    /** A session subscribes to more. */
    subscribed: receivers.hurry,

    /** The broker can be reached. */
    connected(): void {
      receivers.markAll();
      wake();
    },

    /** A command waits for a thing; without a name, for whatever thing. */
    waits(thingName: string | undefined): void {
      if (thingName === undefined) receivers.markAll();
      else receivers.markThing(thingName);
    },

    /** A guest published something, which was allowed, and may answer a command. */
    published(guest: Guest, topic: string, payload: Buffer): void {
      const id = answeredIn(topic, guest);
      if (id === undefined) return;
      const { thingName } = guest;
      const answer = readAnswer(id, payload);
      const why = answer ? 'too many answers at once' : 'no answer to a command';
      if (answer && outbox.pass({ ...answer, thingName })) return;
      witness.refused('malformed', { what: 'answer', why, thing: thingName, resource: `topic:${topic}` });
    },

    /** Claims nothing more. */
    stop(): void {
      ended = true;
      timers.clear(timer);
    },

    /** Tells what there is to tell, and closes the connection to the broker. */
    async close(): Promise<void> {
      ended = true;
      timers.clear(timer);
      receivers.close();
      await asking;
      await publisher.close();
      await Promise.all(underWay);
      await outbox.close();
    },
  };
}

function outcomeOf(became: Published): Pick<Outcome, 'status' | 'reason'> | undefined {
  switch (became) {
    case 'delivered':
      return { status: 'delivered' };
    case 'refused':
      return { status: 'failed', reason: 'the broker refuses it from the edge' };
    case 'nobody':
    case 'unsent':
      return { status: 'released' };
    case 'unclear':
      return undefined;
  }
}
