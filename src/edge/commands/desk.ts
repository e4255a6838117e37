import type { ClaimAnswer, CommandDesk } from './courier.js';
import type { Trouble } from '../trouble.js';
import { ControlPlaneError } from '../decider/control-plane.js';
import type { Parts } from '../decider/parts.js';

type Told = {
  failed(error: Error, of: Trouble): void;
  works(of: Trouble): void;
  /** Who hears that a command waits for a thing, or for whatever thing. */
  follow(heard: (thingName: string | undefined) => void): void;
};

const nothing: ClaimAnswer = { commands: [], held: [], more: false };

/** Asks the control plane for commands, and tells it what became of them. */
export function createCommandDesk(
  { controlPlane, receipts, incarnation }: Pick<Parts, 'controlPlane' | 'receipts' | 'incarnation'>,
  { failed, works, follow }: Told,
): CommandDesk & Pick<Told, 'follow'> {
  /** What the control plane always refuses is not sent again: the answer is `instead`. */
  const ask = async <Answer>(
    body: object,
    instead: Answer,
    send: (body: object) => Promise<Answer>,
  ): Promise<Answer> => {
    const proxy = receipts.proxyId();
    if (proxy === undefined) throw new Error('this edge is not registered yet');
    try {
      const answer = await send({ proxy, incarnation, ...body });
      works('commands');
      return answer;
    } catch (error) {
      failed(error as Error, 'commands');
      if (error instanceof ControlPlaneError && (error.status === 400 || error.status === 413)) return instead;
      throw error;
    }
  };

  return {
    claim: (claim) => ask(claim, nothing, (body) => controlPlane.post<ClaimAnswer>('/v1/edge/commands/claim', body)),
    report: (commands) =>
      ask({ commands }, false, async (body) => (await controlPlane.tell('/v1/edge/commands/report', body)) < 300),
    follow,
  };
}
