import type { Grantee } from '../../access/grantee.js';
import type { PageTokens } from '../page-token.js';
import type { Found, Search, Wanted } from '../search.js';
import { contextOf, isKind, isThing } from './authzen-question.js';
import type { ActionSearch, Page, ResourceSearch, SubjectSearch } from './authzen-schema.js';

const limits = { usual: 100, most: 1000 };

type Answer<Result> = { page: { next_token: string; count: number }; results: Result[] };

export type AuthzenSearch = ReturnType<typeof createAuthzenSearch>;

/** The searches of AuthZEN. Of subjects and resources that nobody here knows there are none. */
export function createAuthzenSearch(search: Search, tokens: PageTokens) {
  /** One page of a search; `scope` is all that has to be the same on the next one. */
  const answer = async <Place extends string | number, Result>(
    { token, limit }: NonNullable<Page>,
    scope: unknown[],
    first: Place,
    find: ((wanted: Wanted<Place>) => Promise<Found<Place>>) | undefined,
    toResult: (id: string) => Result,
  ): Promise<Answer<Result>> => {
    const shown = limit === undefined ? undefined : Math.min(limit, limits.most);
    const wanted =
      token === undefined ? { from: first, limit: shown ?? limits.usual } : tokens.open<Place>(token, scope, shown);
    const { found, next } = find ? await find(wanted) : { found: [], next: undefined };
    const next_token = next === undefined ? '' : tokens.seal(scope, next, wanted.limit);
    return { page: { next_token, count: found.length }, results: found.map(toResult) };
  };

  return {
    /** @throws DomainError `invalid-request`, `not-ready` */
    subjects(caller: Grantee, { subject, action, resource, context, page = {} }: SubjectSearch) {
      const asked = {
        action: action.name,
        resource: `${resource.type}:${resource.id}`,
        context: contextOf(context, action.properties),
      };
      const isKnown = subject.type === 'thing' && isKind(resource.type);
      const scope = ['subject', caller.account, subject.type, asked];
      const find = (wanted: Wanted<string>) => search.subjects(caller, asked, wanted);
      return answer(page, scope, '', isKnown ? find : undefined, (id) => ({ type: 'thing', id }));
    },

    /** @throws DomainError `invalid-request`, `not-ready` */
    actions(caller: Grantee, { subject, resource, context, page = {} }: ActionSearch) {
      const asked = { resource: `${resource.type}:${resource.id}`, context: contextOf(context) };
      const isKnown = isThing(subject) && isKind(resource.type);
      const scope = ['action', caller.account, subject.type, subject.id, asked];
      const find = (wanted: Wanted<number>) => search.actions(caller, subject.id, asked, wanted);
      return answer(page, scope, 0, isKnown ? find : undefined, (name) => ({ name }));
    },

    /** @throws DomainError `invalid-request`, `not-ready` */
    resources(caller: Grantee, { subject, action, resource: { type }, context, page = {} }: ResourceSearch) {
      const said = { action: action.name, context: contextOf(context, action.properties) };
      const kind = isKind(type) ? type : undefined;
      const scope = ['resource', caller.account, subject.type, subject.id, type, said];
      const find =
        kind && isThing(subject)
          ? (wanted: Wanted<number>) => search.resources(caller, subject.id, { ...said, kind }, wanted)
          : undefined;
      return answer(page, scope, 0, find, (id) => ({ type, id }));
    },
  };
}
