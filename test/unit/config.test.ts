import { describe, expect, it } from 'vitest';
import { loadConfig, unknownSettings } from '../../src/config.js';
import { doubtfulAddresses } from '../../src/settings/doubtful-addresses.js';

describe('secrets in the settings', () => {
  it.each([
    'twk_aaaaaaaaaaaaaaaa',
    'twk_abababababababab',
    'twk_changemechangeme',
    'twk_0123456789abcdefghij',
    'twk_passwordpassword',
    'twk_aaaaaaaaaaaaaaaabbbbbbbbccccddef',
    'twk_short',
    'twk_',
  ])('%s is refused', (key) => expect(() => loadConfig({ THINGWARD_OWNER_KEY: key })).toThrow(/THINGWARD_OWNER_KEY/));

  it('what openssl makes is taken, in hex and base64', () => {
    for (const key of ['twk_9f86d081884c7d65', 'twk_2cf24dba5fb0a30e26e83b2ac5b9e29e', 'twk_n4bQgYhMfWWaL+qgxVrQFaO/'])
      expect(loadConfig({ THINGWARD_OWNER_KEY: key }).ownerKey).toBe(key);
  });
});

describe('variables that are named like settings and are none', () => {
  it.each([
    ['THINGWARD_PUBLIC_ULR', 'THINGWARD_PUBLIC_URL'],
    ['THINGWARD_PKIPORT', 'THINGWARD_PKI_PORT'],
    ['THINGWARD_KEYFILE', 'THINGWARD_KEY_FILE'],
    ['THINGWARD_TRUSTED_PROXY', 'THINGWARD_TRUSTED_PROXIES'],
    [`THINGWARD_${'X'.repeat(100_000)}`, 'THINGWARD_'],
  ])('%s', (name, meant) => {
    const lines = unknownSettings({ [name]: 'x', PATH: '/bin', THINGWARD_HOST: '::1' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`did you mean ${meant}`);
  });

  it('are not what other programs read and Kubernetes sets', () => {
    const env = {
      THINGWARD_URL: 'x',
      THINGWARD_API_KEY: 'x',
      THINGWARD_SERVICE_HOST: 'x',
      THINGWARD_PORT_8080_TCP_ADDR: 'x',
      THINGWARD_OWNER_KEY_FILE: 'x',
    };
    expect(unknownSettings(env)).toEqual([]);
  });
});

describe('addresses that the server gives out', () => {
  const tls = { THINGWARD_TLS_CERT_FILE: 'c', THINGWARD_TLS_KEY_FILE: 'k' };
  it.each([
    [{}, []],
    [{ THINGWARD_HOST: '0.0.0.0' }, [/tells devices to come to/, /certificates will name/]],
    [{ THINGWARD_HOST: '::', THINGWARD_PUBLIC_URL: 'https://things.example.com' }, []],
    [{ THINGWARD_HOST: '0.0.0.0', THINGWARD_PKI_URL: 'http://pki.example.com' }, [/tells devices/]],
    [tls, [/speaks only TLS/]],
    [{ ...tls, THINGWARD_PKI_PORT: '8081' }, []],
    [{ ...tls, THINGWARD_PKI_URL: 'http://pki.example.com' }, []],
    [{ ...tls, THINGWARD_PORT: '80', THINGWARD_PKI_URL: 'http://pki.example.com' }, [/speaks only TLS/]],
  ])('%j', (env: Record<string, string>, expected: RegExp[]) => {
    const lines = doubtfulAddresses(loadConfig(env));
    expect(lines.length).toBe(expected.length);
    expected.forEach((pattern, n) => expect(lines[n]).toMatch(pattern));
  });

  it('names the port of lists in certificates, where there is one', () => {
    const { pkiUrl, pki } = loadConfig({ THINGWARD_PUBLIC_URL: 'https://a.example:8443', THINGWARD_PKI_PORT: '8081' });
    expect([pkiUrl, pki]).toEqual(['http://a.example:8081', { host: '127.0.0.1', port: 8081 }]);
    expect(() => loadConfig({ THINGWARD_PKI_PORT: '8080' })).toThrow(/another port/);
  });
});
