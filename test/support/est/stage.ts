import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { DatabaseKind } from '../databases/databases.js';
import { makeListenerCertificate } from '../edge/listener-certificate.js';
import { runProgram } from '../pki/openssl.js';
import { freePort } from '../ports.js';
import { startServer, type TestServer } from '../server.js';

/** An answer of the listener. */
export type EstAnswer = { status: number; headers: Record<string, string | string[] | undefined>; text: string };

type Asked = {
  method?: 'GET' | 'POST';
  body?: string;
  headers?: Record<string, string | string[]>;
  token?: string;
  user?: string;
  tls?: SecureContextOptions & { maxVersion?: 'TLSv1.2' | 'TLSv1.3' };
  /** Makes the body when the connection is there. */
  bodyOn?(socket: TLSSocket): string;
};

export type EstStage = Awaited<ReturnType<typeof openEstStage>>;

/** A server with a listener for EST, whose TLS certificate is in `tls.crt` of a folder. */
export async function openEstStage(kind: DatabaseKind, settings: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-est-'));
  const at = (name: string): string => join(folder, name);
  makeListenerCertificate(at);
  const port = await freePort();
  const server: TestServer = await startServer(kind, {
    THINGWARD_EST_PORT: String(port),
    THINGWARD_EST_CERT_FILE: at('tls.crt'),
    THINGWARD_EST_KEY_FILE: at('tls.key'),
    ...settings,
  });
  const ca = readFileSync(at('tls.crt'));

  const ask = (path: string, asked: Asked = {}): Promise<EstAnswer> =>
    new Promise((resolve, reject) => {
      const { method = asked.body === undefined && !asked.bodyOn ? 'GET' : 'POST', token, user = '' } = asked;
      const authorization = `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;
      const sent = request(
        `https://127.0.0.1:${port}/.well-known/est/${path}`,
        {
          method,
          ca,
          agent: false,
          headers: {
            ...(method === 'POST' ? { 'content-type': 'application/pkcs10' } : {}),
            ...(token === undefined ? {} : { authorization }),
            ...asked.headers,
          },
          ...asked.tls,
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
        },
      );
      sent.on('error', reject);
      if (!asked.bodyOn) return void sent.end(asked.body);
      sent.on('socket', (socket) => socket.once('secureConnect', () => sent.end(asked.bodyOn!(socket as TLSSocket))));
    });

  return {
    server,
    port,
    url: `https://127.0.0.1:${port}`,
    folder,
    at,
    ask,

    /** An enrollment for any name. */
    async enrollment(more: object = {}): Promise<{ id: string; token: string }> {
      const { body } = await server.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 100, ...more });
      return body as { id: string; token: string };
    },

    /** A new key in `NAME.key`, and a request for it in base64; the subject is `CN=NAME` where it is not given. */
    request(name: string, subject = `/CN=${name}`): string {
      const key = `-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${at(`${name}.key`)}`.split(' ');
      runProgram('openssl', ['req', '-new', ...key, '-subj', subject, '-outform', 'DER', '-out', at(`${name}.csr`)]);
      return readFileSync(at(`${name}.csr`)).toString('base64');
    },

    /** The certificates of an answer, as OpenSSL reads them; the first is kept as `NAME.crt`. */
    certificatesOf({ text }: Pick<EstAnswer, 'text'>, name = 'answer'): X509Certificate[] {
      writeFileSync(at('answer.p7'), Buffer.from(text, 'base64'));
      const pem = runProgram('openssl', ['pkcs7', '-inform', 'DER', '-in', at('answer.p7'), '-print_certs']);
      const certificates = pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
      writeFileSync(at(`${name}.crt`), certificates[0] ?? '');
      return certificates.map((each) => new X509Certificate(each));
    },

    /** What shows the certificate of a device in the handshake. */
    identity: (name: string) => ({ cert: readFileSync(at(`${name}.crt`)), key: readFileSync(at(`${name}.key`)) }),

    async stop(): Promise<void> {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
