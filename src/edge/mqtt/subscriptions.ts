import type { Subscription } from './options.js';

/** A SUBSCRIBE or UNSUBSCRIBE that the broker has not answered. */
type Pending = {
  isSubscribe: boolean;
  filters: Subscription[];
  /** For each filter of the client: the code that Thingward gave, or undefined where the broker's comes. */
  codes: (number | undefined)[];
  octets: number;
};

/** How much of each a session may have. */
export type SubscriptionLimits = { subscriptions: number; octets: number };

const mostPending = 64;

export type Subscriptions = ReturnType<typeof createSubscriptions>;

/** The subscriptions of a session, and what the broker still has to answer. */
export function createSubscriptions({ subscriptions, octets: mostOctets }: SubscriptionLimits) {
  const live = new Map<string, Subscription>();
  const pending = new Map<number, Pending>();
  let octets = 0;
  let pendingOctets = 0;

  const sizeOf = (filters: readonly Subscription[]): number =>
    filters.reduce((sum, { filter }) => sum + filter.length, 0);

  const add = (subscription: Subscription): void => {
    if (!live.has(subscription.filter)) octets += subscription.filter.length;
    live.set(subscription.filter, subscription);
  };

  const remove = (filter: string): void => {
    if (live.delete(filter)) octets -= filter.length;
  };

  return {
    live,

    /** Those that count: what the broker has not answered may be in force already. */
    *all(): Generator<Subscription> {
      yield* live.values();
      for (const { isSubscribe, filters } of pending.values()) if (isSubscribe) yield* filters;
    },

    /** True when another filter has no place. */
    isFull: (filter: string, more: number): boolean =>
      !live.has(filter) && (live.size + more >= subscriptions || octets + pendingOctets + filter.length > mostOctets),

    /** True when the broker has to answer something first. */
    isBusy: (): boolean => pending.size >= mostPending || pendingOctets > mostOctets,

    isPending: (id: number): boolean => pending.has(id),

    ask(id: number, isSubscribe: boolean, filters: Subscription[], codes: (number | undefined)[]): void {
      const size = sizeOf(filters);
      pendingOctets += size;
      pending.set(id, { isSubscribe, filters, codes, octets: size });
    },

    /**
     * The codes for the client, of which the broker gave some; undefined when nothing was asked by this packet identifier, and
     * false when the broker answered for another number of filters. An UNSUBACK of MQTT 3 has no codes.
     */
    answer(id: number, isSubscribe: boolean, given: Uint8Array | undefined): number[] | false | undefined {
      const asked = pending.get(id);
      if (asked === undefined || asked.isSubscribe !== isSubscribe) return undefined;
      if (given && given.length !== asked.filters.length) return false;
      pending.delete(id);
      pendingOctets -= asked.octets;
      asked.filters.forEach((subscription, index) => {
        if (given && given[index]! >= 0x80) return;
        if (isSubscribe) add(subscription);
        else remove(subscription.filter);
      });
      let next = 0;
      return asked.codes.map((code) => code ?? given?.[next++] ?? 0);
    },
  };
}
