import { connect } from 'node:net';

/** What a server answers to octets that no client library would send; ends when it closes, or falls silent. */
export function sendRaw(url: string, octets: string | Buffer): Promise<{ text: string; closed: boolean }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(octets));
    let text = '';
    socket.setTimeout(1500, () => {
      resolve({ text, closed: false });
      socket.destroy();
    });
    socket.on('data', (bytes) => (text += bytes.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => resolve({ text, closed: true }));
  });
}
