import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { listenAt, listeningFault, type Spot } from '../../../src/edge/settings/listening.js';
import { EdgeStartError } from '../../../src/edge/start-error.js';

const spot: Spot = { place: 'edge.yaml:6: listeners[0]', what: 'mqtts', host: '127.0.0.1', port: 0 };

it.each([
  ['EACCES', 'this user may not listen there: choose a port of 1024 or above'],
  ['EAI_AGAIN', 'the name in host has no address'],
  ['EMFILE', 'listen EMFILE'],
])('%s is a sentence that names the place', async (code, words) => {
  const server = createServer();
  server.listen = () => {
    setImmediate(() => server.emit('error', Object.assign(new Error(`listen ${code}`), { code })));
    return server;
  };
  const refused = listenAt(server, { ...spot, host: undefined, port: 883 });
  await expect(refused).rejects.toThrow(EdgeStartError);
  await expect(refused).rejects.toThrow(
    `edge.yaml:6: listeners[0]: mqtts cannot listen on every address, port 883, because ${words}`,
  );
});

it('a port that is taken is found, and one that is free stays free', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await listeningFault({ ...spot, port })).toMatchObject({ code: 'EADDRINUSE' });
  server.close();
  await once(server, 'close');
  expect(await listeningFault({ ...spot, port })).toBeUndefined();
  expect(await listeningFault({ ...spot, port })).toBeUndefined();
  const fault = await listeningFault({ ...spot, host: '192.0.2.1', port });
  expect(fault?.error.message).toContain('does not have the address in host');
});
