import type { FastifyInstance } from 'fastify';
import { isIP } from 'node:net';
import { withoutPort } from '../address.js';

/**
 * Makes `request.ip` an address without a port, whatever the proxies in front write into X-Forwarded-For: some name
 * the port too (Azure's gateways, IIS). What is no address says nothing, and neither does anything before it, so the
 * proxy that passed it on stands for the caller.
 */
export function readForwardedAddresses(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
    const forwarded = headers['x-forwarded-for'];
    // Node joins repeated lines of this header; the types do not know.
    if (forwarded !== undefined) headers['x-forwarded-for'] = plainAddresses(String(forwarded));
    done();
  });
}

/** The addresses of X-Forwarded-For without ports, from the one nearest to this server back to the first that is none. */
function plainAddresses(forwarded: string): string {
  const written = forwarded.split(',').map((item) => plainAddress(item.trim()));
  return written.slice(written.lastIndexOf(undefined) + 1).join(', ');
}

/**
 * An address without its port and brackets, IPv4 written as IPv6 as IPv4: `203.0.113.9:51234`, `[2001:db8::1]:4711`,
 * `[2001:db8::1]`, `::ffff:203.0.113.9`. Undefined for what is none.
 */
function plainAddress(text: string): string | undefined {
  const address = withoutPort(text);
  const mapped = /^::ffff:([\d.]{7,15})$/i.exec(address)?.[1];
  if (mapped !== undefined && isIP(mapped) === 4) return mapped;
  return isIP(address) === 0 || address.includes('%') ? undefined : address;
}

/** Whether an address is this machine's own. */
export function isLoopback(address: string): boolean {
  return /^(127\.[\d.]+|::1|::ffff:127\.[\d.]+)$/.test(address);
}
