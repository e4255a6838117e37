import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';

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
