import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { BenchStage } from '../edge/stage.js';
import { cost, countingRelay } from './relay.js';

const polls = 200;

/**
 * Octets of the smallest poll that there is: a device shows its access token, and a server answers 204 and nothing else.
 * On a connection that is kept, and on a new one each time without resumption, as an agent has it that starts for each poll.
 */
export async function measurePolls(stage: BenchStage): Promise<{ kept: number; fresh: number }> {
  const ca = readFileSync(stage.at('tls.crt'));
  const { token } = await stage.addDevice('polling');
  const server = createServer({ cert: ca, key: readFileSync(stage.at('tls.key')) }, (_, reply) =>
    reply.writeHead(204).end(),
  );
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay = await countingRelay((server.address() as AddressInfo).port);
  const ask = async (agent: Agent): Promise<void> => {
    const headers = { authorization: `Bearer ${token}` };
    const asked = request({ host: 'localhost', port: relay.port, path: '/commands', agent, headers }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    await once(answer.resume(), 'end');
  };
  const perPoll = async (agentOf: () => Agent): Promise<number> => {
    const all = await cost(relay, async () => {
      for (let n = 0; n < polls; n++) await ask(agentOf());
    });
    return all / polls;
  };
  try {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
    await ask(agent);
    const kept = await perPoll(() => agent);
    agent.destroy();
    return { kept, fresh: await perPoll(() => new Agent({ maxCachedSessions: 0, ca })) };
  } finally {
    await relay.stop();
    server.closeAllConnections();
    server.close();
  }
}
