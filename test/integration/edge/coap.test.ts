import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCoapStage, type CoapStage } from '../../support/coap/stage.js';
import { coapClient, observe, openEnd, requestOf, sequenceOf, wordsOf, type Asked } from '../../support/coap/device.js';
import { eventually } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'mosquitto_pub', 'mosquitto_sub', coapClient], 'CoAP over UDP, by libcoap', () => {
  let coap: CoapStage;

  beforeAll(async () => {
    coap = await createCoapStage();
  });
  afterAll(() => coap.stop());

  it('publishes what is allowed, and no octet of what is not', async () => {
    const [{ name, token }, other] = [await coap.stage.addDevice(), await coap.stage.addDevice()];
    const heard = await coap.hear('#');
    expect((await coap.ask('post', `${name}/a`, token, ['-e', 'hello'])).code).toBe('2.04');
    expect((await coap.ask('post', `${name}/a`, token, ['-N', '-e', 'once'])).code).toBe('2.04');
    const denied = await coap.ask('post', `${other.name}/a`, token, ['-e', 'forbidden']);
    expect([denied.code, denied.said]).toEqual(['4.03', expect.stringContaining('denied by policy')]);
    await eventually(heard.said, (text) => text.includes('once'));
    expect(heard.said()).toContain(`${name}/a hello`);
    expect(heard.said()).not.toContain('forbidden');
    heard.child.kill();
  });

  it('takes the token as mGate does, and as ?token=, and nobody without one', async () => {
    const { name, token } = await coap.stage.addDevice();
    const end = await openEnd(coap.port);
    const queries = [
      [`auth=${token}`],
      [`token=${token}`],
      [],
      ['token=no.token.atall'],
      [`token=${token}`, 'client=other'],
    ];
    for (const [index, query] of queries.entries()) {
      const more = query.map((each) => ({ number: 15, value: Buffer.from(each) }));
      await end.send(requestOf({ method: 'post', path: `${name}/a`, payload: 'x', id: 10 + index, more }));
      await eventually(
        () => end.got.length,
        (count) => count === index + 1,
      );
    }
    expect(end.got.map(wordsOf)).toEqual([
      'ack 2.04',
      'ack 2.04',
      'ack 4.01',
      expect.stringMatching(/^ack 4\.01 token-invalid/),
      'ack 4.03 no-matching-statement: connect client:other',
    ]);
    end.close();
  });

  it('reads what is retained, and what was put', async () => {
    const { name, token } = await coap.stage.addDevice();
    expect((await coap.ask('get', `${name}/a`, token)).code).toBe('4.04');
    await coap.retain(`${name}/a`, 'from the broker');
    const read = await coap.ask('get', `${name}/a`, token);
    expect([read.code, read.said]).toEqual(['2.05', expect.stringContaining('from the broker')]);
    expect((await coap.ask('put', `${name}/b`, token, ['-t', '50', '-e', '{"t":21}'])).code).toBe('2.04');
    const put = await coap.ask('get', `${name}/b`, token);
    expect(put.said).toMatch(/c:2\.05 .*Content-Format:application\/json.*\{"t":21\}|t.:21/);
    expect((await coap.ask('get', `${name}/b`, token, ['-A', '0'])).code).toBe('4.06');
    expect((await coap.ask('get', 'foreign/a', token)).code).toBe('4.03');
    expect((await coap.ask('delete', `${name}/b`, token)).code).toBe('4.05');
    expect((await coap.ask('get', '', token)).code).toBe('4.04');
    expect((await coap.ask('get', '.well-known/core', '')).said).toContain('thingward edge');
  });

  it('reads and publishes in blocks, also where datagrams are lost', async () => {
    const { name, token } = await coap.stage.addDevice();
    const body = Array.from({ length: 4000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join('');
    writeFileSync(coap.stage.at('body.txt'), body);
    const heard = await coap.hear(`${name}/#`);
    expect(
      (await coap.ask('put', `${name}/big`, token, ['-f', 'body.txt', '-b', '512', '-B', '40', '-l', '3'])).code,
    ).toBe('2.04');
    await eventually(heard.said, (text) => text.includes(body));
    const answer = coap.client('get', `${name}/big`, token, ['-b', '256', '-o', 'got.txt']);
    await answer.ended;
    expect(readFileSync(coap.stage.at('got.txt'), 'utf8')).toBe(body);
    heard.child.kill();
  }, 60_000);

  it('tells observers each value with rising numbers, until they want no more', async () => {
    const { name, token } = await coap.stage.addDevice();
    await coap.retain(`${name}/a`, 'value 0');
    const watcher = coap.client('get', `${name}/a`, token, ['-s', '60']);
    await eventually(watcher.said, (text) => text.includes('value 0'));
    for (let at = 1; at <= 5; at++) await coap.tell(`${name}/a`, `value ${at}`);
    await eventually(watcher.said, (text) => text.includes('value 5'));
    const numbers = [...watcher.said().matchAll(/c:2\.05 .*Observe:(\d+).*value (\d)/g)].map(([, number, value]) => [
      Number(number),
      Number(value),
    ]);
    expect(numbers.map(([, value]) => value)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(numbers.every(([number], at) => at === 0 || number! > numbers[at - 1]![0]!)).toBe(true);
    watcher.child.kill();
    const end = await openEnd(coap.port);
    const asked: Asked = { path: `${name}/a`, token, more: [observe(0)], id: 7 };
    await end.send(requestOf(asked));
    await eventually(
      () => end.got.length,
      (count) => count === 1,
    );
    await coap.tell(`${name}/a`, 'one more');
    const notified = await eventually(
      () => end.got[1],
      (got) => got !== undefined,
    );
    expect([wordsOf(notified!), sequenceOf(notified!)! > sequenceOf(end.got[0]!)!]).toEqual([
      'con 2.05 one more',
      true,
    ]);
    // It wants no more: a reset ends the observation.
    await end.send(Buffer.of(0x70, 0, notified!.id >> 8, notified!.id & 255));
    await end.send(requestOf({ ...asked, id: 8, more: [], method: 'post', payload: 'after the reset' }));
    await eventually(
      () => end.got.length,
      (count) => count >= 3,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(end.got.slice(2).map(wordsOf)).toEqual(['ack 2.04']);
    end.close();
  }, 60_000);
});
