import { describe, expect, it } from 'vitest';
import { EdgeConfigError } from '../../../src/edge/settings/config.js';
import { readEdgeConfig } from '../../../src/edge/settings/config-file.js';

const whole = `server: https://things.example.com
keyFile: edge.key
name: berlin-1
stateDir: ./edge-state
listeners:
  - { protocol: mqtts, port: 8883, certFile: tls.crt, keyFile: tls.key, clientCertificates: required }
  - { protocol: mqtt,  host: 127.0.0.1, port: 1883, proxyProtocol: [127.0.0.1] }
  - { protocol: ws,    host: 127.0.0.1, port: 8080, path: /mqtt, trustedProxies: [127.0.0.1] }
  - { protocol: wss, port: 8443, path: /mqtt, origins: ["https://app.example.com"], certFile: tls.crt, keyFile: tls.key, clientCertificates: none }
  - { protocol: https, port: 9443, certFile: tls.crt, keyFile: tls.key, clientCertificates: optional }
upstream:
  mqtt: { url: "mqtt://127.0.0.1:1884", username: "\${account}/\${thing.name}", passwordFile: broker.pw }
  http: { url: "http://127.0.0.1:3000" }
deniedPublish: refuse
offline: { trustFor: 15m, then: close }
limits: { connections: 20000, unauthenticated: 2000, perAddress: 500, connectTimeout: 10s, packetBytes: 262144, queuedBytesPerConnection: 1048576 }
monitor: { host: 127.0.0.1, port: 9464 }
`;
const least = `server: https://things.example.com
keyFile: edge.key
name: berlin-1
stateDir: state
listeners:
  - { protocol: mqtts, port: 8883, certFile: tls.crt, keyFile: tls.key }
upstream:
  mqtt: { url: "mqtt://127.0.0.1:1884" }
`;

const faultOf = (text: string): string => {
  try {
    readEdgeConfig(text, '/etc/thingward/edge.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(EdgeConfigError);
    return (error as Error).message;
  }
  return 'none';
};

describe('the settings of an edge', () => {
  it('give no port to two of them', () => {
    const other = '  - { protocol: http, port: 9443, host: 127.0.0.1 }';
    expect(faultOf(whole.replace('upstream:\n', `${other}\nupstream:\n`))).toBe(
      'edge.yaml:11: listeners[5].port: is the port of listeners[4] too: choose another',
    );
    const monitor = whole.replace('port: 9464', 'port: 1883');
    expect(faultOf(monitor)).toBe('edge.yaml:17: monitor.port: is the port of listeners[1] too: choose another');
    expect(faultOf(whole.replace('host: 127.0.0.1, port: 8080', 'host: 127.0.0.2, port: 1883'))).toBe('none');
  });

  it('are read, with paths that start at the folder of the file', () => {
    const config = readEdgeConfig(whole, '/etc/thingward/edge.yaml');
    expect(config.keyFile).toBe('/etc/thingward/edge.key');
    expect(config.stateDir).toBe('/etc/thingward/edge-state');
    expect(config.listeners).toHaveLength(5);
    expect(config.listeners[0]).toMatchObject({ certFile: '/etc/thingward/tls.crt', clientCertificates: 'required' });
    expect(config.upstream.mqtt?.passwordFile).toBe('/etc/thingward/broker.pw');
    expect(config.offline).toEqual({ trustFor: 900_000, then: 'close' });
    expect(config.limits.connectTimeout).toBe(10_000);
    expect(config.monitorIsGiven).toBe(true);
  });

  it('have safe defaults', () => {
    const config = readEdgeConfig(least, 'edge.yaml');
    expect(config).toMatchObject({
      deniedPublish: 'refuse',
      offline: { trustFor: 900_000, then: 'close' },
      limits: {
        connections: 20_000,
        unauthenticated: 2000,
        perAddress: 500,
        connectTimeout: 10_000,
        packetBytes: 262_144,
      },
      listeners: [{ clientCertificates: 'required' }],
    });
    expect(config.monitor).toBeUndefined();
  });

  const wrong: [name: string, from: string, to: string, fault: RegExp][] = [
    ['an unknown member', 'name: berlin-1', 'name: berlin-1\ncolour: red', /^edge\.yaml:4: colour: is not a setting/],
    [
      'an unknown member of a listener',
      'certFile: tls.crt, keyFile: tls.key }',
      'certFile: tls.crt, keyFile: tls.key, colour: red }',
      /^edge\.yaml:6: listeners\[0\]\.colour: is not a setting/,
    ],
    [
      'a member of another protocol',
      'port: 8883,',
      'port: 8883, path: /mqtt,',
      /^edge\.yaml:6: listeners\[0\]\.path: is not/,
    ],
    [
      'an unknown protocol',
      'protocol: mqtts',
      'protocol: coaps',
      /^edge\.yaml:6: listeners\[0\]\.protocol: must be mqtt, /,
    ],
    ['a port that is no number', 'port: 8883', 'port: "8883"', /^edge\.yaml:6: listeners\[0\]\.port: /],
    ['a missing member', 'keyFile: edge.key\n', '', /^edge\.yaml:1: keyFile: is missing/],
    ['a member twice', 'name: berlin-1', 'name: berlin-1\nname: berlin-2', /^edge\.yaml:4: Map keys must be unique/],
    ['broken YAML', 'name: berlin-1', 'name: [berlin-1', /^edge\.yaml:\d+: /],
    ['two documents', 'name: berlin-1', '---\nname: berlin-1', /^edge\.yaml:\d+: /],
    [
      'http to another machine',
      'https://things.example.com',
      'http://things.example.com',
      /^edge\.yaml:1: server: must be https/,
    ],
    ['a password in the URL', 'https://things', 'https://a:b@things', /^edge\.yaml:1: server: .*without credentials/],
    ['a name that the server refuses', 'name: berlin-1', 'name: "berlin 1"', /^edge\.yaml:3: name: /],
    [
      'a plain listener for other machines',
      '{ protocol: mqtts, port: 8883, certFile: tls.crt, keyFile: tls.key }',
      '{ protocol: mqtt, port: 1883 }',
      /^edge\.yaml:6: listeners\[0\]\.protocol: .*plaintext: true/,
    ],
    [
      'client certificates without TLS',
      '{ protocol: mqtts, port: 8883, certFile: tls.crt, keyFile: tls.key }',
      '{ protocol: mqtt, host: 127.0.0.1, port: 1883, clientCertificates: required }',
      /^edge\.yaml:6: listeners\[0\]\.clientCertificates: needs TLS/,
    ],
    [
      'a listener without its upstream',
      '{ protocol: mqtts, port: 8883, certFile: tls.crt, keyFile: tls.key }',
      '{ protocol: https, port: 8883, certFile: tls.crt, keyFile: tls.key }',
      /^edge\.yaml:7: upstream: has no http/,
    ],
    [
      'a variable that there is not',
      '1884"',
      '1884", username: "${thing.type}"',
      /^edge\.yaml:8: upstream\.mqtt\.username: knows/,
    ],
    [
      'a password without a user',
      '1884"',
      '1884", passwordFile: pw',
      /^edge\.yaml:8: upstream\.mqtt\.passwordFile: needs a username/,
    ],
    [
      'a duration without a unit',
      '1884" }\n',
      '1884" }\noffline: { trustFor: 15 }\n',
      /^edge\.yaml:9: offline\.trustFor: must be a duration/,
    ],
    [
      'a duration that is too long',
      '1884" }\n',
      '1884" }\noffline: { trustFor: 365d }\n',
      /^edge\.yaml:9: offline\.trustFor: must be between/,
    ],
    [
      'a range that is none',
      'port: 8883',
      'port: 8883, proxyProtocol: [10.0.0.0/33]',
      /^edge\.yaml:6: listeners\[0\]\.proxyProtocol\[0\]: must be an address/,
    ],
  ];
  for (const [name, from, to, fault] of wrong)
    it(`refuses ${name}, with the number of the line`, () => {
      expect(least).toContain(from);
      expect(faultOf(least.replace(from, () => to))).toMatch(fault);
    });

  it('names everything that is wrong at once', () => {
    const text = least.replace('name: berlin-1', 'name: 7\ncolour: red');
    expect(faultOf(text).split('\n')).toHaveLength(2);
  });

  it('accepts plain listeners on this machine, and elsewhere when they are asked for', () => {
    const tls = '{ protocol: mqtts, port: 8883, certFile: tls.crt, keyFile: tls.key }';
    for (const plain of [
      'host: 127.0.0.1',
      'host: "::1"',
      'host: localhost',
      'plaintext: true',
      'host: 0.0.0.0, plaintext: true',
    ])
      expect(faultOf(least.replace(tls, `{ protocol: mqtt, port: 1883, ${plain} }`)), plain).toBe('none');
  });

  it('is never read as something else than a file of settings', () => {
    for (const text of ['', '[]', 'null', '7', 'a: &a [*a]', '__proto__: { a: 1 }', '&a [ *b ]'])
      expect(faultOf(text), text).toMatch(/^edge\.yaml:\d+: /);
  });
});
