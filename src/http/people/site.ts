import { isIP } from 'node:net';

/** Where people reach the server with a browser. */
export type Site = {
  /** Of the links that are given to people, without a slash at the end. */
  origin: string;
  /** The host that passkeys belong to (WebAuthn 3 §5.1.2); undefined where an address stands in its place. */
  passkeyHost: string | undefined;
  /** Whether cookies go over TLS alone. */
  secure: boolean;
  /** False where cookies would cross a network in clear: nobody signs in there. */
  takesPeople: boolean;
};

/** The site at a public URL. This machine is called `localhost`: passkeys need a name, and browsers trust this one without TLS. */
export function siteOf(publicUrl: string): Site {
  const url = new URL(publicUrl);
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  const isLocal = bare === 'localhost' || bare === '::1' || /^127\.[\d.]+$/.test(bare);
  if (isLocal) url.hostname = 'localhost';
  const secure = url.protocol === 'https:';
  return {
    origin: url.origin,
    passkeyHost: isLocal || isIP(bare) === 0 ? url.hostname : undefined,
    secure,
    takesPeople: secure || isLocal,
  };
}
