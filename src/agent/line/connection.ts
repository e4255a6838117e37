import { connect as connectTls, rootCertificates, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import type { Trust } from '../connection.js';

/** How the edge is reached. */
export type EdgeAddress = { host: string; port: number };

/** What the device shows, PEM. */
export type Shown = { cert: string; key: string };

const connectMs = 30_000;

/** A TLS connection with the certificate of the device, to an edge that its own proves. @throws Error */
export function connectEdge({ host, port }: EdgeAddress, shown: Shown, { ca, orSystem }: Trust): Promise<TLSSocket> {
  const authorities = ca === undefined ? {} : { ca: orSystem ? [...rootCertificates, ca] : [ca] };
  const servername = isIP(host) ? {} : { servername: host };
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port, ...shown, ...authorities, ...servername, ALPNProtocols: ['mqtt'] });
    const timer = setTimeout(() => socket.destroy(new Error('the edge took too long')), connectMs);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the edge closed the connection'));
    });
    socket.on('error', reject);
  });
}
