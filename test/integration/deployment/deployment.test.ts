import { readFileSync, statSync } from 'node:fs';
import { once } from 'node:events';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPage, startBrowser, type Page, type Watched } from '../../support/deployment/browser.js';
import { linkPython, openDetour, openGallery, type Gallery, type Served } from '../../support/deployment/gallery.js';
import {
  answerTo,
  closeSocket,
  connectAs,
  nextPacket,
  openFrom,
  openSocket,
  publishPacket,
} from '../../support/deployment/sockets.js';
import { eventually } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

const browserAddress = '127.0.0.9';
const clientAddress = '127.0.0.7';
const needed = [
  'chromium',
  'nginx',
  '/usr/lib/nginx/modules/ngx_stream_module.so',
  'mosquitto',
  'mosquitto_passwd',
  'openssl',
  'curl',
  'python3:paho.mqtt.client',
];

describeWith(needed, 'the deployment of deploy/edge, as its README says', () => {
  let gallery: Gallery;
  let browser: Browser;
  let detour: Awaited<ReturnType<typeof openDetour>>;
  let url: string;
  let checked: string;
  let edge: Served;
  const startEdge = (): Promise<Served> => gallery.serve('run edge', ['8883', '8001', '9464']);

  beforeAll(async () => {
    gallery = await openGallery();
    linkPython(gallery);
    const made = await gallery.follow(['tls', 'devices', 'password']);
    expect(made).toContain('tls.crt: OK');
    await gallery.serve('run broker', ['1883']);
    checked = await gallery.follow(['check']);
    edge = await startEdge();
    await gallery.serve('run nginx', ['18831', '8020']);
    detour = await openDetour(browserAddress, gallery.portOf('8020'));
    const host = `localhost:${gallery.portOf('8020')}`;
    url = `https://${host}/`;
    const route = { from: host, to: `127.0.0.1:${detour.port}` };
    browser = await startBrowser({ certificate: readFileSync(gallery.at('tls.crt'), 'utf8'), route });
  });
  afterAll(async () => {
    await browser?.close();
    detour?.close();
    await gallery?.stop();
  });

  const tokenOf = async (thing: string): Promise<string> => {
    const { body } = await gallery.owner.get(`/v1/things/${thing}`);
    if (body.name !== thing) throw new Error(`there is no ${thing}`);
    const command = gallery.commands.get('token')!.replaceAll('screen-1', thing);
    return (await gallery.run(command)).trim();
  };
  const addThing = (thing: string): Promise<string> =>
    gallery.run(
      `thingward agent provision --server "$THINGWARD_URL" --enrollment "$(cat ${thing.split('-')[0]}.enrollment)" --name ${thing} --out ${thing}`,
    );
  const enter = async (page: Page, thing: string, token: string): Promise<void> => {
    await page.fill('#thing', thing);
    await page.fill('#token', token);
    await page.click('button');
  };
  const stateOf = (page: Page): Promise<string> => page.textContent('#state').then((text) => text ?? '');
  const untilState = (page: Page, state: RegExp): Promise<string> =>
    eventually(
      () => stateOf(page),
      (text) => state.test(text),
    );
  const untilPicture = (page: Page, name: string): Promise<unknown> =>
    eventually(
      () => page.getAttribute('#picture', 'src'),
      (source) => source === `pictures/${name}.svg`,
    );
  const openScreen = async (thing: string): Promise<Watched> => {
    const opened = await openPage(browser, url);
    await enter(opened.page, thing, await tokenOf(thing));
    await untilState(opened.page, new RegExp(`^Connected as ${thing}$`));
    return opened;
  };
  const startClient = (thing: string) => {
    const { child, output } = gallery.start(`exec venv/bin/python client.py ${thing} --bind ${clientAddress}`);
    return {
      output,
      ended: once(child, 'exit').then(([code]) => code as number),
      choose: (name: string) => void child.stdin.write(`${name}\n`),
      untilSaid: (line: string) => eventually(output, (text) => text.split('\n').includes(line)),
      leave: () => void child.stdin.end(),
    };
  };
  const sessionOf = (thing: string) =>
    eventually(
      async () => (await gallery.owner.get(`/v1/sessions?thing=${thing}`)).body.items as Record<string, string>[],
      (items) => items.length === 1,
    ).then(([session]) => session!);

  it('opens two ports, and keeps secrets to their owner', () => {
    const open = listeningOnAllAddresses();
    expect(['18831', '8020'].every((port) => open.has(gallery.portOf(port as '8020')))).toBe(true);
    for (const port of ['8883', '8001', '1883', '9464'] as const)
      expect(open.has(gallery.portOf(port)), port).toBe(false);
    const secrets = ['ca.key', 'tls.key', 'edge.key', 'broker.pw', 'broker/passwd', 'screen.enrollment'];
    for (const name of [...secrets, 'screen-1/device.key'])
      expect(statSync(gallery.at(name)).mode & 0o077, name).toBe(0);
    expect(statSync(gallery.at('state')).mode & 0o077).toBe(0);
  });

  it('check says who is let in', () => {
    expect(checked).toContain('This edge can run.');
    expect(checked).toContain('the PROXY header of 127.0.0.1 names the address');
    expect(checked).toMatch(/port \d+: devices with a valid client certificate of the account/);
    expect(checked).toContain(`web pages of ${url.slice(0, -1)}`);
    expect(checked).not.toContain('the API key has no bearer');
  });

  it('shows in the page what the Python program chose, and throws out the one and not the other', async () => {
    expect(await gallery.follow(['choose'])).toMatch(/^connected: as chooser-1\nchosen: harbour\n$/);
    const screen = await openScreen('screen-1');
    const client = startClient('chooser-1');
    await untilPicture(screen.page, 'harbour');
    client.choose('forest');
    await client.untilSaid('chosen: forest');
    await untilPicture(screen.page, 'forest');
    await screen.page.screenshot({ path: gallery.at('connected.png') });

    // NGINX connects to the edge from 127.0.0.1.
    expect(await sessionOf('screen-1')).toMatchObject({
      protocol: 'ws',
      sourceIp: browserAddress,
      clientId: 'screen-1',
    });
    expect(await sessionOf('chooser-1')).toMatchObject({ protocol: 'mqtts', sourceIp: clientAddress });

    expect(await gallery.follow(['throw out'])).toContain('screen-1');
    expect(await untilState(screen.page, /^Thrown out/)).toMatch(/revoked/);
    await screen.page.screenshot({ path: gallery.at('thrown-out.png') });
    client.choose('night');
    await client.untilSaid('chosen: night');
    expect(await screen.page.getAttribute('#picture', 'src')).toBe('pictures/forest.svg');
    expect(await screen.page.getAttribute('body', 'data-live')).toBeNull();
    await enter(screen.page, 'screen-1', 'what it had');
    expect(await untilState(screen.page, /^Refused/)).toMatch(/invalid|token/i);

    // The other way round.
    await addThing('screen-2');
    const other = await openScreen('screen-2');
    await untilPicture(other.page, 'night');
    expect((await gallery.owner.post('/v1/things/chooser-1/revoke', { reason: 'keyCompromise' })).status).toBe(200);
    expect(await client.ended).toBe(2);
    expect(client.output()).toMatch(/^thrown out: .*revoked/m);
    expect(await stateOf(other.page)).toBe('Connected as screen-2');
    await addThing('chooser-2');
    const successor = startClient('chooser-2');
    successor.choose('harbour');
    await untilPicture(other.page, 'harbour');
    successor.leave();
    expect(await successor.ended).toBe(0);

    for (const { errors, hosts } of [screen, other]) {
      expect(errors).toEqual([]);
      expect([...hosts]).toEqual([new URL(url).host]);
    }
    for (const name of ['connected.png', 'thrown-out.png'])
      expect(readFileSync(gallery.at(name)).subarray(1, 4).toString()).toBe('PNG');
  });

  it('believes the addresses that NGINX names, and nobody else', async () => {
    await addThing('screen-3');
    const token = await tokenOf('screen-3');
    const claim = { 'X-Forwarded-For': '203.0.113.9' };
    const socket = await openSocket(gallery.portOf('8020'), { headers: claim });
    await connectAs(socket, 'screen-3', token);
    expect((await sessionOf('screen-3')).sourceIp).toBe('127.0.0.1');
    await closeSocket(socket);

    const direct = await openSocket(gallery.portOf('8001'), { headers: claim, localAddress: '127.0.0.3' });
    await connectAs(direct, 'screen-3', token);
    await eventually(
      () => sessionOf('screen-3'),
      ({ sourceIp }) => sourceIp === '127.0.0.3',
    );
    await closeSocket(direct);

    // A PROXY header from anybody but NGINX is no TLS.
    expect(await answerTo(gallery.portOf('8883'), 'PROXY TCP4 203.0.113.9 127.0.0.1 4711 8883\r\n', '127.0.0.3')).toBe(
      '',
    );
  });

  it('lets in no other page, no token without its listener, and no device without its certificate', async () => {
    await addThing('screen-4');
    await addThing('chooser-4');
    await expect(openSocket(gallery.portOf('8020'), { origin: 'https://evil.example' })).rejects.toThrow('403');
    // The token of a chooser does not open the WebSocket: its policy asks for mqtts.
    const socket = await openSocket(gallery.portOf('8020'), { origin: url.slice(0, -1) });
    await expect(connectAs(socket, 'chooser-4', await tokenOf('chooser-4'))).rejects.toThrow('135');
    // A screen may not choose.
    const screen = await openSocket(gallery.portOf('8020'), { origin: url.slice(0, -1) });
    await connectAs(screen, 'screen-4', await tokenOf('screen-4'));
    screen.send(publishPacket('gallery/picture', 'night'));
    // PUBACK with 0x87, not authorized.
    expect((await nextPacket(screen)).subarray(0, 5)).toEqual(Buffer.of(0x40, 0x03, 0x00, 0x01, 0x87));
    await closeSocket(screen);
    const stranger = gallery.start('exec venv/bin/python client.py chooser-4 --folder screen-4');
    await once(stranger.child, 'exit');
    expect(stranger.output()).toMatch(/^refused: /);
  });

  it('comes back by itself after the edge was started again', async () => {
    await addThing('screen-5');
    const { page, errors } = await openScreen('screen-5');
    await untilPicture(page, 'harbour');
    await addThing('chooser-5');
    const client = startClient('chooser-5');
    await client.untilSaid('connected: as chooser-5');
    await edge.end();
    // Not cut off: both were told, although the signal came from the terminal and from npx.
    await client.untilSaid('lost: this edge shuts down: connect again; trying again');
    await untilState(page, /^No connection: trying again/);
    expect(await page.getAttribute('body', 'data-live')).toBeNull();
    edge = await startEdge();
    await untilState(page, /^Connected as screen-5$/);
    client.choose('forest');
    await untilPicture(page, 'forest');
    client.leave();
    expect(await client.ended).toBe(0);
    // A browser says of each attempt that it failed.
    expect(errors.filter((text) => !text.includes('WebSocket connection'))).toEqual([]);
  });

  it('has an NGINX that serves the page and nothing beside it, with limits for each address', async () => {
    const curl = (path: string, more = '') =>
      gallery.run(`curl -sS --path-as-is --cacert ca.crt -o /dev/null -D - ${more} '${url}${path}'`);
    const page = await curl('');
    expect(page).toMatch(/^HTTP\/1\.1 200 /);
    expect(page).toMatch(/^content-security-policy: default-src 'none'; script-src 'self';/im);
    expect(page).toMatch(/^x-content-type-options: nosniff/im);
    expect(page).not.toMatch(/^server: nginx\//im);
    for (const path of ['edge.key', '../edge.key', 'www/../../tls.key', '%2e%2e/edge.key', 'temp/', 'pictures/'])
      expect(await curl(path), path).toMatch(/^HTTP\/1\.1 40[034] /);
    expect(await curl('', '-X DELETE')).toMatch(/^HTTP\/1\.1 403 /);
    expect(await curl('mqtt')).toMatch(/^HTTP\/1\.1 400 /);

    // Of one address, twenty connections; others come in meanwhile.
    const sockets = await Promise.all(
      Array.from({ length: 25 }, () => openFrom('127.0.0.11', gallery.portOf('18831'))),
    );
    await eventually(
      () => sockets.filter(({ closed }) => closed).length,
      (closed) => closed === 5,
    );
    const other = await openFrom('127.0.0.12', gallery.portOf('18831'));
    expect(other.closed).toBe(false);
    [...sockets, other].forEach((socket) => socket.destroy());
  });
});

/** Ports of this machine that accept connections from others. */
function listeningOnAllAddresses(): Set<number> {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1));
  const words = lines.map((line) => line.trim().split(/\s+/));
  const open = words.filter(([, local = '', , state]) => state === '0A' && /^0+:/.test(local));
  return new Set(open.map(([, local]) => Number.parseInt(local!.split(':')[1]!, 16)));
}
