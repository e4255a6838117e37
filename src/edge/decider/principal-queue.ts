import type { KnownPrincipal, RegisteredPrincipal } from '../../authorize/rights.js';
import { parseCursor } from '../../log/cursor.js';
import { ControlPlaneError } from './control-plane.js';

/** A holder of a certificate, as `POST /v1/edge/principals` shows it. */
export type ShownPrincipal = Omit<RegisteredPrincipal, 'account' | 'name' | 'reason' | 'notAfter' | 'otherRevoked'> & {
  thingName: string;
  notAfter: string;
  reason?: string | undefined;
  /** Where there is a reason: the thing has another certificate that is valid, or held. */
  otherLive?: boolean | undefined;
};

/** What the control plane answers about as many fingerprints, in their order. */
export type PrincipalAnswer = { principals: (ShownPrincipal | null)[]; cursor: string };

type Waiting = { fingerprint: string; resolve(found: KnownPrincipal | undefined): void; reject(error: Error): void };

type Deps = {
  /** @throws ControlPlaneError */
  post(fingerprints: string[], atLeast: string): Promise<PrincipalAnswer>;
  /** The place that is applied here: what is answered must know as much. */
  cursor(): string;
  learn(shown: ShownPrincipal, position: number): KnownPrincipal;
  atOnce: number;
};

const mostWaiting = 20_000;
const mostPosts = 2;

/** Asks for the holders of certificates: each once, however many want to know, and many in one request. */
export function createPrincipalQueue({ post, cursor, learn, atOnce }: Deps) {
  const asked = new Map<string, Promise<KnownPrincipal | undefined>>();
  // Those of live guests are asked first.
  const waiting: Record<'first' | 'others', Waiting[]> = { first: [], others: [] };
  let posts = 0;

  const post500 = async (batch: Waiting[]): Promise<void> => {
    try {
      const fingerprints = batch.map(({ fingerprint }) => fingerprint);
      const answer = await post(fingerprints, cursor());
      const { epoch, position } = parseCursor(answer.cursor);
      if (epoch !== parseCursor(cursor()).epoch)
        throw new ControlPlaneError('away', 'the database was restored: everything is read again');
      batch.forEach(({ resolve }, index) => {
        const shown = answer.principals[index];
        resolve(shown ? learn(shown, position) : undefined);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error as Error);
    }
  };

  const run = async (): Promise<void> => {
    posts++;
    // One turn of the loop: what arrives together is asked together.
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      const batch = waiting.first.splice(0, atOnce);
      batch.push(...waiting.others.splice(0, atOnce - batch.length));
      if (batch.length === 0) break;
      await post500(batch);
    }
    posts--;
  };

  const enqueue = (fingerprint: string, where: 'first' | 'others'): Promise<KnownPrincipal | undefined> => {
    const present = asked.get(fingerprint);
    if (present) return present;
    if (waiting[where].length >= mostWaiting)
      return Promise.reject(new ControlPlaneError('away', 'too many certificates wait to be asked about'));
    const answer = new Promise<KnownPrincipal | undefined>((resolve, reject) => {
      waiting[where].push({ fingerprint, resolve, reject });
    }).finally(() => asked.delete(fingerprint));
    asked.set(fingerprint, answer);
    if (posts < mostPosts) void run();
    return answer;
  };

  return {
    /** The holder of a certificate; undefined when there is none. @throws ControlPlaneError */
    ask: (fingerprint: string) => enqueue(fingerprint, 'others'),
    askFirst: (fingerprint: string) => enqueue(fingerprint, 'first'),
  };
}
