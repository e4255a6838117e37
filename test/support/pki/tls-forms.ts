import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Stage } from '../judges/consumers.js';

/** A TLS server that asks for a client certificate and goes by lists or OCSP. */
export type TlsServer = {
  judge: string;
  /** What a client says first, where it is not HTTP. */
  request?: Buffer;
  start(port: number, env?: Record<string, string>): Promise<ChildProcess>;
};

export const mqttConnect = Buffer.from('101000044d5154540402003c000474657374', 'hex');

/** A block of docs/revocation.md as it stands there. */
export function documentedForm(name: string): string {
  const text = readFileSync('docs/revocation.md', 'utf8');
  const start = text.indexOf('\n', text.indexOf('```', text.indexOf(`<!-- test: ${name} -->`))) + 1;
  return text.slice(start, text.indexOf('```', start));
}

/** The same, where only its folder, its port and the name of our server are this test's. */
function formOf({ at, server }: Stage, name: string, port: number): string {
  return documentedForm(name)
    .replaceAll('/etc/thingward/', `${at('')}/`)
    .replaceAll('http://things.example.com', server.url)
    .replace(/listener 8883$/m, `listener ${port} 127.0.0.1`)
    .replace('listen(8883)', `listen(${port}, '127.0.0.1')`)
    .replace(/(listen |bind :?)8883/, (_, word: string) => `${word.replace(':', '')}127.0.0.1:${port}`);
}

/** The servers that docs/revocation.md configures. */
export function documentedServers(stage: Stage): Record<string, TlsServer> {
  const { at, file, start } = stage;
  const nginx = (form: string) => (port: number, env?: Record<string, string>) => {
    const home = at(`${form}-${port}`);
    mkdirSync(home);
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${home}/${name};`)
      .join(' ');
    writeFileSync(
      `${home}/nginx.conf`,
      `pid ${home}/pid; error_log ${home}/error.log info; events {} http { access_log off; ${temp}\n${formOf(stage, form, port)} }`,
    );
    const args = ['-p', home, '-c', `${home}/nginx.conf`, '-g', 'daemon off; master_process off;'];
    return start('nginx', args, port, env);
  };
  return {
    nginx: { judge: 'NGINX ssl_crl', start: nginx('tls-nginx') },
    nginxOcsp: { judge: 'NGINX ssl_ocsp', start: nginx('tls-nginx-ocsp') },
    haproxy: {
      judge: 'HAProxy crl-file',
      start: (port, env) =>
        start('haproxy', ['-db', '-f', file(`haproxy-${port}.cfg`, formOf(stage, 'tls-haproxy', port))], port, env),
    },
    mosquitto: {
      judge: 'Mosquitto crlfile',
      request: mqttConnect,
      // A test may run as root, whose files its usual user cannot read.
      start: (port, env) =>
        start(
          'mosquitto',
          ['-c', file(`mosquitto-${port}.conf`, `user root\n${formOf(stage, 'tls-mosquitto', port)}`)],
          port,
          env,
        ),
    },
    node: {
      judge: "Node's tls crl",
      start: (port, env) =>
        start(process.execPath, [file(`server-${port}.mjs`, formOf(stage, 'tls-node', port))], port, env),
    },
  };
}

/** GnuTLS's own server: nobody's documentation, one more judge. */
export function gnutlsServer({ at, start }: Stage): TlsServer {
  return {
    judge: 'gnutls-serv --x509crlfile',
    start: (port, env) =>
      start(
        'gnutls-serv',
        [
          ...['--http', '--quiet', '--port', `${port}`, '--require-client-cert', '--verify-client-cert'],
          ...['--x509certfile', at('server.pem'), '--x509keyfile', at('server.key')],
          ...['--x509cafile', at('chain.pem'), '--x509crlfile', at('bundle.pem')],
        ],
        port,
        env,
      ),
  };
}
