import { connect } from 'node:net';

// Longer than any machine takes: a server that keeps the connection is asked to close it by its request.
const silenceMs = 120_000;

/** What a server answers to octets that no client library would send, until it closes; `closed` says whether it did. */
export function sendRaw(url: string, octets: string | Buffer): Promise<{ text: string; closed: boolean }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(octets));
    let text = '';
    socket.setTimeout(silenceMs, () => {
      resolve({ text, closed: false });
      socket.destroy();
    });
    socket.on('data', (bytes) => (text += bytes.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => resolve({ text, closed: true }));
  });
}
