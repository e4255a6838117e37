import { createHmac, timingSafeEqual } from 'node:crypto';
import { DomainError } from '../errors.js';
import type { Wanted } from './search.js';

export type PageTokens = ReturnType<typeof createPageTokens>;

/**
 * Tokens that carry a place in a search. They belong to the account and the question that they were made for, and are
 * valid on every instance with the same key.
 */
export function createPageTokens(key: Buffer) {
  const seal = (scope: unknown[], place: string | number, limit: number): string => {
    const written = Buffer.from(JSON.stringify([place, limit])).toString('base64url');
    const mac = createHmac('sha256', key)
      .update(JSON.stringify([scope, written]))
      .digest('base64url');
    return `${written}.${mac}`;
  };

  return {
    seal,

    /** The page that a token stands for. @throws DomainError `invalid-request` unless it was sealed for this scope, and this limit if one is given */
    open<Place extends string | number>(token: string, scope: unknown[], limit: number | undefined): Wanted<Place> {
      const [place, sealedLimit] = read(token);
      const good = Buffer.from(seal(scope, place, sealedLimit));
      const given = Buffer.from(token);
      const isGood = good.length === given.length && timingSafeEqual(good, given);
      if (!isGood || (limit !== undefined && limit !== sealedLimit)) throw foreign();
      return { from: place as Place, limit: sealedLimit };
    },
  };
}

function read(token: string): [place: string | number, limit: number] {
  try {
    const [place, limit] = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString('utf8')) as [
      string,
      number,
    ];
    return [place, limit];
  } catch {
    throw foreign();
  }
}

function foreign(): DomainError {
  return new DomainError(
    'invalid-request',
    'page.token: send the next_token of this search unchanged, with the same question and limit; or start again without it',
  );
}
