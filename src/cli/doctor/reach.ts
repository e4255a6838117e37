const local = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether only this machine reaches an address to listen on. Nothing, `*`, `0.0.0.0` and `::` are every address. */
export const isLocal = (host: string): boolean =>
  local.test(host.trim()) || host.startsWith('/') || host.startsWith('unix');

/** The host of `host:port`, `[::1]:port`, or a port alone, for which it is empty. */
export function hostOf(address: string): string {
  const at = address.lastIndexOf(':');
  return at < 0 ? (/^\d+$/.test(address) ? '' : address) : address.slice(0, at);
}

/** Whether a URL would carry credentials in the clear over a network. */
export function isClear(url: string): boolean {
  const [, host = ''] = /^http:\/\/(\[[^\]]*\]|[^/:?#]*)/i.exec(url) ?? [];
  return host !== '' && !isLocal(host);
}
