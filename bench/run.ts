import { cpus } from 'node:os';
import { benchAws } from './aws.js';
import { benchCutOff, isFullCutOff } from './edge/cut-off.js';
import { benchDecider, isFullDecider } from './edge/decider.js';
import { benchEdge, isFullEdge } from './edge/edge.js';
import { benchIdle, isFullIdle } from './edge/idle.js';
import { benchPolling } from './gateway/polling.js';
import { benchAuthorize } from './authorize.js';
import { benchDecide } from './decide.js';
import { benchEngines, engineTable } from './engine.js';
import { table } from './measure.js';
import { benchMqtt } from './mqtt.js';
import { benchPairs } from './pairs.js';
import { installPeers } from './peers.js';
import { record } from './record.js';
import { benchPki } from './pki.js';
import { benchOcsp } from './ocsp.js';
import { benchProvisioning } from './provisioning.js';
import { benchPush } from './push.js';
import { benchCompact, benchLists } from './revocation.js';
import { benchServers } from './servers.js';
import { benchSizing } from './sizing.js';
import { benchStart } from './start.js';
import { benchTenants } from './tenants.js';
import { benchWire } from './wire.js';

const sections: Record<string, () => Promise<string>> = {
  engine: async () => engineTable(await benchEngines()),
  authorize: benchAuthorize,
  servers: benchServers,
  provisioning: async () => table([...(await benchPki()), ...(await benchProvisioning())]),
  start: benchStart,
  lists: benchLists,
  compact: benchCompact,
  push: benchPush,
  ocsp: benchOcsp,
  aws: benchAws,
  tenants: benchTenants,
  sizing: benchSizing,
  mqtt: async () => table(await benchMqtt()),
  pairs: benchPairs,
  decide: async () => benchDecide(),
  wire: benchWire,
  'cut-off': benchCutOff,
  edge: benchEdge,
  idle: benchIdle,
  decider: benchDecider,
  polling: benchPolling,
};
// Run when they are named, small unless the environment says how large; in full they are recorded in RESULTS.md.
const ofEdges: Record<string, boolean> = {
  'cut-off': isFullCutOff,
  edge: isFullEdge,
  idle: isFullIdle,
  decider: isFullDecider,
  polling: true,
};
const withoutPeers = ['cut-off', 'idle', 'decide', 'polling'];
const ofPairs = ['pairs', 'decide', 'wire'];

// All of them, or those that are named: npm run bench -- engine servers
const named = process.argv.slice(2);
const unknown = named.filter((name) => !(name in sections));
if (unknown.length > 0)
  throw new Error(`there is no section ${unknown.join(', ')}: choose of ${Object.keys(sections).join(', ')}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
if (named.length === 0 || named.some((name) => !withoutPeers.includes(name))) installPeers();
const command = ['npm run bench', ...(named.length > 0 ? ['--', ...named] : [])].join(' ');
const sizes = Object.entries(process.env).flatMap(([name, value]) =>
  /^(CUT_OFF|EDGE|IDLE|DECIDER)_/.test(name) ? [`${name}=${value} `] : [],
);
const origin = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]!.model}, Node ${process.version}, \`${sizes.join('')}${command}\``;
console.log(origin);
// Those are best run against another checkout.
const all = Object.keys(sections).filter((name) => !ofPairs.includes(name) && !(name in ofEdges));
for (const name of named.length > 0 ? named : all) {
  const text = await sections[name]!();
  console.log(`\n${text}`);
  if (ofEdges[name]) record(name, origin, text);
}
