import type { Grantee } from '../access/grantee.js';
import { actionsOfKind, kindOfAction, resourceKinds, type ResourceKind } from '../policy/action.js';
import { namedActions, namedResources, spellResource } from '../policy/literals.js';
import { inSlices } from '../slices.js';
import type { Context } from '../policy/condition.js';
import type { Principals } from './principals.js';
import type { KnownPrincipal } from './rights.js';
import type { AuthorizeService } from './service.js';
import type { Snapshot } from './snapshot.js';

type Deps = {
  foresee: AuthorizeService['foresee'];
  principals: Pick<Principals, 'page' | 'byName'>;
  snapshot: Pick<Snapshot, 'weightOf' | 'documents'>;
};

/** What was found, and where the next page begins; undefined at the end. */
export type Found<Place> = { found: string[]; next: Place | undefined };

/** Where a page begins, and how many it shows at most. */
export type Wanted<Place> = { from: Place; limit: number };

/**
 * The work for a page, counted so that it does not depend on the machine: one unit for each thing or candidate, and
 * more for the weight of its policies and the text that is looked through.
 */
export const searchWork = { units: 10_000, weightPerUnit: 64, charactersPerUnit: 4096, passedPerUnit: 32 } as const;
const mostCharacters = 262_144;
const thingsAtOnce = 100;

/** Something that may be found: its text is only made when it is looked at. */
type Candidate = { size: number; read(): { id: string; action: string; resource: string } | undefined };

export type Search = ReturnType<typeof createSearch>;

/**
 * What would be allowed now: each of what is found is what one question is answered by. Nothing is noted as asked.
 * Runs in slices; a page may be short or empty while there is more.
 */
export function createSearch({ foresee, principals, snapshot }: Deps) {
  const costOf = (known: KnownPrincipal | undefined, characters: number): number =>
    1 +
    Math.ceil(characters / searchWork.charactersPerUnit) +
    (known ? Math.ceil(snapshot.weightOf(known.rights.policies) / searchWork.weightPerUnit) : 0);

  /** Of what one thing may: the candidates that it is allowed, from the n-th on. */
  const among = async (
    caller: Grantee,
    thingName: string,
    context: Context,
    candidatesOf: (known: KnownPrincipal) => Iterable<Candidate>,
    { from, limit }: Wanted<number>,
  ): Promise<Found<number>> => {
    const known = await principals.byName(caller.account, thingName);
    const page = createPage(limit);
    function* look(): Generator<void, number | undefined> {
      let [at, looked] = [0, 0];
      for (const { size, read } of known ? candidatesOf(known) : []) {
        yield;
        if (at < from) page.spend(1 / searchWork.passedPerUnit);
        // One at least is looked at, however costly the way to it was.
        else if (page.isFull() && (looked > 0 || limit === 0)) return at;
        else {
          looked++;
          page.spend(costOf(known, size + textOf(context)));
          const asked = read();
          if (asked && isAllowed(caller, known, { ...asked, context })) page.add(asked.id);
        }
        at++;
      }
      return undefined;
    }
    const next = await inSlices(look());
    return { found: page.found(), next };
  };

  const isAllowed = (
    caller: Grantee,
    known: KnownPrincipal | undefined,
    { action, resource, context }: { action: string; resource: string; context: Context },
  ): boolean =>
    known !== undefined &&
    foresee(caller, known, { principal: { thingName: known.name }, action, resource, context }).allowed;

  const documentsOf = ({ rights }: KnownPrincipal) =>
    snapshot.documents(rights.policies).map(({ document }) => document);

  return {
    /** The names of the things that may do something, in their order, after a name. @throws DomainError `not-ready` */
    async subjects(
      caller: Grantee,
      asked: { action: string; resource: string; context: Context },
      { from, limit }: Wanted<string>,
    ): Promise<Found<string>> {
      const page = createPage(limit);
      const size = asked.resource.length + textOf(asked.context);
      let after = from;
      function* look(things: Awaited<ReturnType<Principals['page']>>): Generator<void, boolean> {
        for (const { name, known } of things) {
          yield;
          if (page.isFull()) return true;
          page.spend(costOf(known, size));
          if (isAllowed(caller, known, asked)) page.add(name);
          after = name;
        }
        return false;
      }
      for (;;) {
        const things = await principals.page(caller.account, after, thingsAtOnce);
        if (await inSlices(look(things))) return { found: page.found(), next: after };
        if (things.length < thingsAtOnce) return { found: page.found(), next: undefined };
      }
    },

    /** What a thing may do with a resource; of endpoints, among what its policies name. @throws DomainError `not-ready` */
    actions(
      caller: Grantee,
      thingName: string,
      { resource, context }: { resource: string; context: Context },
      wanted: Wanted<number>,
    ): Promise<Found<number>> {
      const kind = resourceKinds.find((each) => resource.startsWith(`${each}:`))!;
      function* candidatesOf(known: KnownPrincipal): Generator<Candidate> {
        for (const action of kind === 'endpoint' ? namedActions(documentsOf(known)) : actionsOfKind(kind))
          yield { size: resource.length, read: () => ({ id: action, action, resource }) };
      }
      return among(caller, thingName, context, candidatesOf, wanted);
    },

    /**
     * What of a kind a thing may do something with, as far as its policies spell it out: what they describe by
     * wildcards is not found. @throws DomainError `not-ready`
     */
    resources(
      caller: Grantee,
      thingName: string,
      { action, kind, context }: { action: string; kind: ResourceKind; context: Context },
      wanted: Wanted<number>,
    ): Promise<Found<number>> {
      function* candidatesOf(known: KnownPrincipal): Generator<Candidate> {
        if (kindOfAction(action) !== kind) return;
        for (const written of namedResources(documentsOf(known), kind, action)) {
          const read = () => {
            const id = spellResource(written, known.rights.principal);
            return id === undefined ? undefined : { id, action, resource: `${kind}:${id}` };
          };
          yield { size: written.length, read };
        }
      }
      return among(caller, thingName, context, candidatesOf, wanted);
    },
  };
}

const textOf = ({ clientId }: Context): number => clientId?.length ?? 0;

/** One page: it is full when it shows enough, is long enough, or cost enough. */
function createPage(limit: number) {
  const found = new Set<string>();
  let [spent, characters] = [0, 0];
  return {
    spend: (units: number): void => void (spent += units),
    add(text: string): void {
      found.add(text);
      characters += text.length;
    },
    isFull: (): boolean => found.size >= limit || spent >= searchWork.units || characters >= mostCharacters,
    found: (): string[] => [...found],
  };
}
