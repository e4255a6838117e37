import { requireCommandFiles } from '../commands/open.js';
import { requireSinkFiles } from '../sinks/open.js';
import { isSecure, isUdp, monitorOf, type EdgeConfig } from '../settings/config.js';
import { listeningFault, type Spot } from '../settings/listening.js';
import { readKeyPair } from './tls-identity.js';
import { createHttpUpstream, createMqttUpstream } from './upstream.js';

/** Where an edge will listen. A port that any will do for is no question. */
export function spotsOf(config: EdgeConfig): Spot[] {
  const monitor: Spot = { place: config.placeOf(['monitor']), what: 'the monitor', ...monitorOf(config) };
  const listeners = config.listeners.map((listener, index): Spot => ({
    place: config.placeOf(['listeners', index]),
    what: listener.protocol,
    host: listener.host,
    port: listener.port,
    isUdp: isUdp(listener),
  }));
  // An edge that was not told where to have its monitor runs without it too.
  return [...listeners, ...(config.monitorIsGiven ? [monitor] : [])].filter(({ port }) => port !== 0);
}

/**
 * Tries the ports and files of an edge, before the control plane hears of it: an edge that cannot start must not stay listed as
 * one that does not enforce.
 * @throws EdgeStartError, EdgeConfigError for what cannot be used
 */
export async function requireUsable(config: EdgeConfig): Promise<void> {
  const { listeners, upstream } = config;
  for (const spot of spotsOf(config)) {
    const fault = await listeningFault(spot);
    if (fault) throw fault.error;
  }
  for (const listener of listeners) if (isSecure(listener)) readKeyPair(listener);
  if (upstream.mqtt) createMqttUpstream(upstream.mqtt);
  if (upstream.http) createHttpUpstream(upstream.http).close();
  requireCommandFiles(config);
  requireSinkFiles(config);
}
