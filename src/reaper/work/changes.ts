import type { Change } from '../../edge/gate.js';
import type { Why } from '../brokers/broker.js';
import type { Grant, Granted } from './granted.js';
import { takesAway } from './rights.js';
import type { Standing } from './things.js';

type Deps = {
  granted: Pick<Granted, 'of' | 'isFirst'>;
  /** The account is suspended: nothing can be asked, and nobody may be anywhere. */
  isSuspended(): boolean;
  /** The broker lists no sessions: who is barred already is told once. */
  isBlind: boolean;
};

/** What the log said of things, and what is looked at beside that. */
export type Question = Pick<Change, 'things'> & {
  /** Sessions that began before anybody looked are taken as they are. */
  adopts: boolean;
};

/** Why the sessions of a thing must end; undefined where they may stay, or where this is no thing. */
export function createVerdicts({ granted, isSuspended, isBlind }: Deps) {
  return (name: string, standing: Standing | undefined, { things, adopts }: Question): Why | undefined => {
    const grant = granted.of(name);
    if (isSuspended()) return grant && { kind: 'barred', reason: 'account-suspended' };
    // A user of the broker that is no thing is none of Thingward's business.
    if (!standing) return grant || things.has(name) ? { kind: 'barred', reason: 'thing-deleted' } : undefined;
    if (standing.barred !== undefined) {
      const isTold = isBlind && grant?.isBarred && !things.has(name);
      return isTold ? undefined : { kind: 'barred', reason: standing.barred };
    }
    if (grant) return lossOf(grant, standing);
    return adopts ? undefined : { kind: 'cut', reason: 'unknown-rights' };
  };
}

/** What sessions have that a thing may not have now. */
function lossOf(grant: Grant, { revoked, rights }: Standing): Why | undefined {
  if (revoked > grant.revoked) return { kind: 'cut', reason: 'certificate-revoked' };
  return takesAway(grant.rights, rights) ? { kind: 'cut', reason: 'rights-taken-away' } : undefined;
}
