import type { Provided } from '../brokers/broker.js';
import type { Cutter } from './cutter.js';
import type { Standing } from './things.js';
import { createTurnstile } from './turnstile.js';
import type { Users } from './users.js';

type Deps = {
  /** The broker has users, which have to be brought in step. */
  isAsked: boolean;
  cutter: Pick<Cutter, 'provide'>;
  users: Pick<Users, 'userOf'>;
  /** So many of them somebody else had changed. */
  mended(count: number): void;
};

/** Tells a broker what things may do, never older news after newer ones. With `isWhole` these are all things; nothing is told unless `holds`. */
export function createProviding({ isAsked, cutter, users, mended }: Deps) {
  const alone = createTurnstile(1);
  let providedAt = new Map<string, number>();

  const provided = ({ thingName, barred, list }: Standing): Provided => ({
    user: users.userOf(thingName),
    list: barred === undefined ? list : undefined,
  });

  return async (standings: Iterable<Standing>, isWhole: boolean, holds: () => boolean): Promise<void> => {
    if (!isAsked) return;
    await alone(async () => {
      if (!holds()) return;
      const before = providedAt;
      if (isWhole) providedAt = new Map();
      const news = [...standings].filter(({ thingName, position }) => position >= (before.get(thingName) ?? 0));
      for (const { thingName, position } of news) providedAt.set(thingName, position);
      mended(await cutter.provide(news.map(provided), isWhole));
    });
  };
}
