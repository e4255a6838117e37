import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCoapStage, type CoapStage } from '../../support/coap/stage.js';
import { coapClient, observe, openEnd, requestOf, wordsOf } from '../../support/coap/device.js';
import { eventually } from '../../support/edge/stage.js';
import { useKey } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

describeWith(
  ['mosquitto', 'mosquitto_pub', 'mosquitto_sub', coapClient],
  'sessions of CoAP over UDP, and what is no session',
  () => {
    let coap: CoapStage;

    beforeAll(async () => {
      coap = await createCoapStage();
    });
    afterAll(() => coap.stop());

    it('lists its sessions, and ends observations when the device is suspended, before it says so', async () => {
      const { name, token } = await coap.stage.addDevice();
      const end = await openEnd(coap.port);
      await end.send(requestOf({ path: `${name}/a`, token, more: [observe(0)], id: 1 }));
      await eventually(
        () => end.got.length,
        (count) => count === 1,
      );
      const [session] = await eventually(
        () => coap.sessionsOf(name),
        (items) => items.length === 1,
      );
      expect(session).toMatchObject({ protocol: 'coap', clientId: name });
      const { status, body } = await coap.stage.server.owner.post(`/v1/things/${name}/suspend`);
      expect(status).toBe(200);
      const at = performance.now();
      const last = await eventually(
        () => end.got[1],
        (got) => got !== undefined,
      );
      expect(wordsOf(last!)).toMatch(/^non 4\.01 (?:thing-suspended|certificate-revoked)/);
      expect(performance.now() - at).toBeLessThan(1000);
      if (body.position !== undefined) await eventually(() => coap.isEnforced(body.position as number), Boolean);
      await eventually(
        () => coap.sessionsOf(name),
        (items) => items.length === 0,
      );
      await coap.tell(`${name}/a`, 'nobody hears this');
      await end.send(requestOf({ path: `${name}/a`, token, id: 2 }));
      await eventually(
        () => end.got.length,
        (count) => count === 3,
      );
      expect(wordsOf(end.got[2]!)).toMatch(/^ack 4\.01 (?:thing-suspended|certificate-revoked|token-revoked)/);
      end.close();
    });

    it('ends an observation whose right a policy takes away', async () => {
      const { owner } = coap.stage.server;
      const document = (topics: string[]) => ({
        name: 'narrowed-coap',
        statements: [
          { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
          { id: 'topics', effect: 'allow', actions: ['publish', 'subscribe', 'receive'], resources: topics },
        ],
      });
      await owner.post('/v1/policies', document(['topic:shared/#', 'topic:${thing.name}/#']));
      const { name, ...device } = await coap.stage.addDevice();
      await owner.send('PUT', `/v1/things/${name}/policies`, { policies: ['narrowed-coap'] });
      const { body: fresh } = await useKey(coap.stage.server, { name, ...device });
      const end = await openEnd(coap.port);
      await end.send(requestOf({ path: 'shared/a', token: fresh.access_token as string, more: [observe(0)] }));
      await eventually(
        () => end.got.length,
        (count) => count === 1,
      );
      expect(wordsOf(end.got[0]!)).toBe('ack 2.05');
      const { body } = await owner.post('/v1/policies/narrowed-coap/versions', document(['topic:${thing.name}/#']));
      await owner.post('/v1/policies/narrowed-coap/activate', { version: body.version });
      await eventually(
        () => end.got.length,
        (count) => count === 2,
      );
      expect(wordsOf(end.got[1]!)).toMatch(/^non 4\.03 subscribe: no-matching-statement/);
      end.close();
    });

    it('ends with the token, unless a newer one was shown', async () => {
      const device = await coap.stage.addDevice();
      const [brief, lasting] = [await openEnd(coap.port), await openEnd(coap.port)];
      const { name, token } = device;
      const other = await coap.stage.addDevice();
      await brief.send(requestOf({ path: `${name}/a`, token, more: [observe(0)] }));
      await lasting.send(requestOf({ path: `${other.name}/a`, token: other.token, more: [observe(0)] }));
      for (const { got } of [brief, lasting])
        await eventually(
          () => got.length,
          (count) => count === 1,
        );
      coap.stage.server.advance(600);
      const { body: newer } = await useKey(coap.stage.server, other);
      await lasting.send(
        requestOf({
          method: 'post',
          path: `${other.name}/b`,
          token: newer.access_token as string,
          payload: 'x',
          id: 2,
        }),
      );
      await eventually(
        () => lasting.got.length,
        (count) => count === 2,
      );
      expect(wordsOf(lasting.got[1]!)).toBe('ack 2.04');
      coap.stage.server.advance(310);
      await eventually(
        () => brief.got.length,
        (count) => count === 2,
      );
      expect(wordsOf(brief.got[1]!)).toMatch(/^non 4\.01 token-expired/);
      await coap.tell(`${other.name}/a`, 'still here');
      await eventually(
        () => lasting.got.map(wordsOf),
        (words) => words.includes('con 2.05 still here'),
      );
      for (const each of [brief, lasting]) each.close();
    });

    it('performs a request once, however often it comes', async () => {
      const { name, token } = await coap.stage.addDevice();
      const heard = await coap.hear(`${name}/#`);
      const end = await openEnd(coap.port);
      const post = requestOf({ method: 'post', path: `${name}/a`, token, payload: 'once', id: 99 });
      for (let at = 0; at < 5; at++) await end.send(post);
      await eventually(
        () => end.got.length,
        (count) => count >= 1,
      );
      await end.send(post);
      await eventually(
        () => end.got.length,
        (count) => count >= 2,
      );
      await coap.tell(`${name}/a`, 'the last');
      await eventually(heard.said, (text) => text.includes('the last'));
      expect(heard.said().match(/a once$/gm)).toHaveLength(1);
      expect(new Set(end.got.map(wordsOf))).toEqual(new Set(['ack 2.04']));
      heard.child.kill();
      end.close();
    });

    it('answers what cannot be read, and what nobody may ask of it, with no more than was sent thrice', async () => {
      const end = await openEnd(coap.port);
      const { token } = await coap.stage.addDevice();
      const say = async (bytes: Buffer, count: number): Promise<string[]> => {
        const before = end.got.length;
        await end.send(bytes);
        if (count > 0)
          await eventually(
            () => end.got.length,
            (length) => length === before + count,
          );
        else await new Promise((resolve) => setTimeout(resolve, 100));
        return end.got.slice(before).map(wordsOf);
      };
      expect(await say(Buffer.of(0x40, 0, 1, 2), 1)).toEqual(['rst 0.00']);
      expect(await say(Buffer.of(0x49, 1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1)).toEqual(['rst 0.00']);
      expect(await say(Buffer.of(0x80, 1, 1, 4), 0)).toEqual([]);
      expect(await say(Buffer.of(0x50, 0, 1, 5), 0)).toEqual([]);
      expect(await say(Buffer.of(0x40, 0x45, 1, 6), 1)).toEqual(['rst 0.00']);
      expect(
        await say(requestOf({ path: 'a', id: 20, more: [{ number: 35, value: Buffer.from('coap://x') }] }), 1),
      ).toEqual([expect.stringMatching(/^ack 5\.05/)]);
      expect(await say(requestOf({ path: 'a', id: 21, token, more: [{ number: 9, value: Buffer.of(1) }] }), 1)).toEqual(
        [expect.stringMatching(/^ack 4\.02/)],
      );
      const before = end.octets();
      const small = Buffer.of(0x40, 1, 2, 2);
      expect(await say(small, 1)).toEqual(['ack 4.01']);
      expect(end.octets() - before).toBeLessThanOrEqual(3 * small.length);
      end.close();
    });

    it('says to many wrong tokens no, and then nothing, while others are served', async () => {
      const [flood, good] = [await openEnd(coap.port), await openEnd(coap.port)];
      const { name, token } = await coap.stage.addDevice();
      await good.send(requestOf({ method: 'post', path: `${name}/a`, token, payload: 'x' }));
      await eventually(
        () => good.got.length,
        (count) => count === 1,
      );
      for (let round = 0; round < 20; round++) {
        for (let id = 0; id < 100; id++)
          await flood.send(requestOf({ path: 'a', id: 100 * round + id, token: `${token.slice(0, -8)}AAAA${id}` }));
        await good.send(requestOf({ method: 'post', path: `${name}/a`, token, payload: 'x', id: round + 2 }));
        await eventually(
          () => good.got.length,
          (count) => count === round + 2,
        );
      }
      expect(flood.got.length).toBeLessThan(500);
      expect(new Set(good.got.map(wordsOf))).toEqual(new Set(['ack 2.04']));
      await eventually(
        async () => (await fetch(`${coap.edge.monitorUrl}/metrics`)).text(),
        (text) => /thingward_edge_sessions [1-9]/.test(text),
      );
      for (const each of [flood, good]) each.close();
    });
  },
);
