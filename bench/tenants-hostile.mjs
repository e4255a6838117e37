import { Agent, request } from 'node:http';
import { setPriority } from 'node:os';

/** The other tenant: sends every attack on connections of its own, the next request as soon as one is answered. */
setPriority(10);
process.on('disconnect', () => process.exit());
const counts = {};

process.once('message', ({ url, key, attacks }) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 });
  for (const attack of attacks) for (let n = 0; n < attack.connections; n++) void sendForEver(url, agent, key, attack);
  setTimeout(() => process.send('begun'), 1000);
  process.once('message', () => process.send(counts));
});

async function sendForEver(url, agent, key, { method, path, bodies, credential }) {
  for (let n = Math.floor(Math.random() * 1000); ; n++) {
    const status = await sendOnce(url + path, agent, credential ?? key, method, bodies[n % bodies.length]);
    counts[status] = (counts[status] ?? 0) + 1;
  }
}

function sendOnce(url, agent, key, method, body) {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const sent = request(url, { agent, method, headers }, (answer) =>
      answer.resume().on('end', () => resolve(answer.statusCode)),
    );
    sent.on('error', () => resolve('broken'));
    sent.end(body);
  });
}
