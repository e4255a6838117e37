import { describe, expect, it } from 'vitest';
import { createRenewalOrder } from '../../../src/agent/renewal-order.js';

const serverTime = '2030-01-01T00:00:00Z';
const inSeconds = (seconds: number) => new Date(Date.parse(serverTime) + seconds * 1000).toISOString();

describe('an order to renew', () => {
  const orderOf = (spreadMs: number) => {
    let now = 1000;
    const order = createRenewalOrder({ now: () => now, spreadMs });
    return { ...order, pass: (ms: number) => (now += ms) };
  };

  it('is due from its time by the clock of the server, and obeyed once', () => {
    const order = orderOf(0);
    expect(order.isDue()).toBe(false);
    order.hear({ renewAt: inSeconds(10), serverTime });
    order.pass(9999);
    expect(order.isDue()).toBe(false);
    order.pass(1);
    expect(order.isDue()).toBe(true);
    order.obeyed();
    order.hear({ renewAt: inSeconds(10), serverTime: inSeconds(60) });
    expect(order.isDue()).toBe(false);
    order.hear({ renewAt: inSeconds(70), serverTime: inSeconds(80) });
    expect(order.isDue()).toBe(true);
  });

  it('is forgotten when the server asks no more, and no order is what is no time', () => {
    const order = orderOf(0);
    order.hear({ renewAt: inSeconds(-10), serverTime });
    expect(order.isDue()).toBe(true);
    order.hear({ serverTime });
    expect(order.isDue()).toBe(false);
    order.hear({ renewAt: 'soon', serverTime });
    expect(order.isDue()).toBe(false);
  });

  it('comes to each device at another moment', () => {
    const orders = Array.from({ length: 200 }, () => orderOf(300_000));
    for (const order of orders) order.hear({ renewAt: serverTime, serverTime });
    const dueAfter = (ms: number) => orders.filter((order) => (order.pass(ms), order.isDue())).length;
    expect(dueAfter(30_000)).toBeLessThan(100);
    const half = dueAfter(120_000);
    expect(half).toBeGreaterThan(50);
    expect(half).toBeLessThan(150);
    expect(dueAfter(150_001)).toBe(200);
  });
});
