import type {} from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** `session` holds what a person signed in with; `signin` what they have shown so far, for ten minutes. */
export type CookieKind = 'session' | 'signin';

const longestHeader = 16_384;
const plain: Record<CookieKind, string> = { session: 'thingward', signin: 'thingward-signin' };

/** The name of a cookie. Browsers keep `__Host-` for cookies that one host set over TLS (RFC 6265bis §4.1.3.2). */
export function cookieName(kind: CookieKind, secure: boolean): string {
  return secure ? `__Host-${plain[kind]}` : plain[kind];
}

/** What a browser sent as this cookie. Over TLS only the name counts that no other host and no plain answer can set. */
export function readCookie({ headers, server }: FastifyRequest, kind: CookieKind): string | undefined {
  const { cookie: sent } = headers;
  if (!sent || sent.length > longestHeader || !server.site) return undefined;
  return server.parseCookie(sent)[cookieName(kind, server.site.secure)] || undefined;
}

/**
 * Sets a cookie; an empty value takes it away. The one of a session never comes from another site; that of a sign-in does, when a
 * provider sends the browser back.
 */
export function setCookie(
  reply: FastifyReply,
  kind: CookieKind,
  { value, maxAge }: { value: string; maxAge: number },
): void {
  const secure = reply.server.site?.secure ?? true;
  const sameSite = kind === 'session' ? 'strict' : 'lax';
  const attributes = { path: '/', httpOnly: true, secure, sameSite, maxAge } as const;
  void reply.header('set-cookie', reply.server.serializeCookie(cookieName(kind, secure), value, attributes));
}
