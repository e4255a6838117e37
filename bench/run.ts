import { cpus } from 'node:os';
import { table } from './measure.js';
import { benchPki } from './pki.js';
import { benchProvisioning } from './provisioning.js';
import { benchStart } from './start.js';

const rows = [...(await benchPki()), ...(await benchProvisioning())];
const start = await benchStart();
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]!.model}, Node ${process.version}, \`npm run bench\`\n\n${table(rows)}\n\n${start}`,
);
