import type { Greeting } from '../line/greeting.js';
import type { Ended, Line } from '../line/line.js';
import { publishPacket, refusalOf } from '../line/packets.js';
import type { Outbox } from './outbox.js';
import type { Parcel, Parcels } from './parcels.js';

type Options = {
  outbox: Pick<Outbox, 'trim' | 'start'>;
  parcels: Parcels;
  /** Messages were given up: a rare thing, which is told. */
  gaveUp(count: number, why: string): void;
};

type UnderWay = Parcel & { octets: number; isDone: boolean };
type Session = { line: Line; greeting: Greeting; cursor: number; held?: UnderWay | undefined };

const most = { messages: 64, octets: 524_288, packet: 262_144 };
// Of a packet: topic, identifiers and signature.
const headOctets = 8192;
// MQTT 5.0 §3.4.2.1: what is refused so is refused the next time too.
const denials = new Set([0x87, 0x90, 0x99]);
// An edge ends a connection with one of these for a packet that it refuses.
const faults = new Set([0x81, 0x82, 0x87, 0x90, 0x93, 0x94, 0x95, 0x99, 0x9a, 0x9b]);
const mostStrikes = 3;
const longestMs = 2 ** 31 - 1;

/** Why a parcel cannot be sent at all. */
function faultOf({ outgoing, octets }: UnderWay, { greeting }: Pick<Session, 'greeting'>) {
  if (!outgoing) return { kind: 'damaged', why: 'it cannot be read' } as const;
  if (octets <= greeting.packetBytes) return undefined;
  const why = `${outgoing.topic}: the edge takes at most ${greeting.packetBytes} octets`;
  return { kind: 'tooLarge', why } as const;
}

/** Publishes what is in the queue, in its order, and takes out of it what was acknowledged. */
export function createSender({ outbox, parcels, gaveUp }: Options) {
  const counts = { sent: 0, publishes: 0, denied: 0, tooLarge: 0, damaged: 0 };
  let session: Session | undefined;
  let underWay: UnderWay[] = [];
  let isNews = false;
  let rouse = (): void => {};
  let failure: ((error: unknown) => void) | undefined;
  // The parcel alone under way when a connection ended by a fault of a packet, and how often.
  let suspect: { next: number; strikes: number } | undefined;
  let isTrimming = false;

  const wake = (): void => {
    isNews = true;
    rouse();
  };

  /** Resolves when something changed since `isNews` was false, or after so long. */
  const changed = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (isNews) return resolve();
      const timer = Number.isFinite(ms) ? setTimeout(resolve, Math.min(ms, longestMs)) : undefined;
      rouse = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  /** Takes what is done from the front. One write to the disk counts for all that is done until it is over. */
  const trim = async (): Promise<void> => {
    if (isTrimming) return;
    isTrimming = true;
    try {
      for (let upTo = 0; underWay[0]?.isDone;) {
        while (underWay[0]?.isDone) upTo = underWay.shift()!.next;
        wake();
        await outbox.trim(upTo);
      }
    } finally {
      isTrimming = false;
      wake();
    }
  };

  const finish = (parcel: UnderWay): void => {
    parcel.isDone = true;
    trim().catch((error: unknown) => failure?.(error));
  };

  const giveUp = (parcel: UnderWay, kind: 'denied' | 'tooLarge' | 'damaged', why: string): void => {
    counts[kind] += parcel.count;
    if (parcel.count > 0) gaveUp(parcel.count, why);
    finish(parcel);
  };

  const send = async (parcel: UnderWay, { line, greeting }: Session): Promise<void> => {
    underWay.push(parcel);
    const { outgoing } = parcel;
    const fault = faultOf(parcel, { greeting });
    if (!outgoing || fault) return giveUp(parcel, fault!.kind, fault!.why);
    const code = await line.publish(outgoing);
    if (code === undefined || session?.line !== line) return;
    if (denials.has(code)) return giveUp(parcel, 'denied', `${outgoing.topic}: ${refusalOf(code)}`);
    if (code >= 0x80) return line.close(new Error(refusalOf(code)));
    suspect = undefined;
    counts.sent += parcel.count;
    counts.publishes++;
    finish(parcel);
  };

  const isFull = ({ greeting }: Session): boolean => {
    // One is left to an answer to a command.
    const messages = suspect ? 1 : Math.max(1, Math.min(greeting.receiveMaximum - 1, most.messages));
    const octets = underWay.reduce((sum, each) => sum + each.octets, 0);
    return underWay.length >= messages || (underWay.length > 0 && octets >= most.octets);
  };

  const nextOf = async (own: Session, octets: number): Promise<UnderWay | number> => {
    if (own.held) return own.held;
    const parcel = isFull(own) ? Infinity : await parcels.take(own.cursor, octets);
    if (typeof parcel === 'number') return parcel;
    return { ...parcel, octets: parcel.outgoing ? publishPacket(1, parcel.outgoing).length : 0, isDone: false };
  };

  const pump = async (own: Session): Promise<void> => {
    const octets = Math.min(own.greeting.packetBytes, most.packet) - headOctets;
    while (session === own) {
      isNews = false;
      const next = await nextOf(own, octets);
      if (session !== own) return;
      own.held = typeof next === 'number' ? undefined : next;
      // What is given up waits until all before it is acknowledged: else the next line would give it up again.
      const isHeld = own.held && underWay.length > 0 && faultOf(own.held, own) !== undefined;
      if (typeof next === 'number' || isHeld) {
        await changed(typeof next === 'number' ? next : Infinity);
        continue;
      }
      own.held = undefined;
      own.cursor = next.next;
      void send(next, own);
    }
  };

  /** Whether a connection ended for the parcel that was alone under way, again and again. */
  const isPoison = (code: number | undefined, [alone, other]: UnderWay[]): boolean => {
    if (code === undefined || !faults.has(code) || !alone) return false;
    const isAgain = other === undefined && suspect?.next === alone.next;
    suspect = { next: alone.next, strikes: isAgain ? suspect!.strikes + 1 : 1 };
    return suspect.strikes >= mostStrikes;
  };

  return {
    /** Publishes by this line from now on, beginning with what nobody acknowledged. */
    use(line: Line, greeting: Greeting): void {
      session = { line, greeting, cursor: Math.max(outbox.start(), underWay.at(-1)?.next ?? 0) };
      pump(session).catch((error: unknown) => failure?.(error));
    },

    /** The line is over. What was under way is published again, by the next one. */
    stop({ code, error }: Ended): void {
      session = undefined;
      const waiting = underWay.filter(({ isDone }) => !isDone);
      if (isPoison(code, waiting)) {
        suspect = undefined;
        giveUp(waiting[0]!, 'denied', `the edge ended the connection for it again and again: ${error.message}`);
      }
      const end = underWay.findIndex(({ isDone }) => !isDone);
      if (end >= 0) underWay = underWay.slice(0, end);
      wake();
    },

    /** Looks at the queue again. */
    wake,
    counts: (): typeof counts => counts,
    /** Rejects where the queue cannot be read or written. */
    failed: new Promise<never>((_, reject) => (failure = reject)),
  };
}
