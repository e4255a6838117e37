import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { answer, asObject, asText, randomQuestion, type Asked, type Facts } from '../../support/groups/queries.js';
import { seeded } from '../../support/seeded.js';
import { startServer, type TestServer } from '../../support/server.js';

const things = 120;
const questions = Number(process.env['QUERY_QUESTIONS'] ?? 320);
const sites = ['oslo', 'bergen', 'a "b" \\c', 'null', '50%_x'];
const words: Record<string, (string | null)[]> = {
  name: ['*', 'a-*', '*1', '?-1?', 'a_1', 'b*1*', 'a-7', 'nobody'],
  type: ['pump', 'camera', 'Pump', null],
  status: ['active', 'suspended', 'revoked', 'deleted'],
  segment: ['floor-1', 'floor-2', null],
  policies: ['sensor', 'camera', 'unknown', null],
  'attributes.site': [...sites, null],
  'attributes.line': ['1', '2', null],
  'attributes.Site': ['oslo', null],
};

describe.each(databaseKinds)('queries over things on %s', (kind) => {
  const random = seeded('queries');
  let server: TestServer;
  let facts: Facts[];
  let times: string[];

  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    const ofDevice = new Map<string, string[]>();
    const enrollments = [
      {
        request: { thingType: 'pump', attributes: { site: 'oslo' }, deviceAttributes: ['site', 'line'] },
        own: ['line'],
      },
      { request: { thingType: 'camera', deviceAttributes: ['site'], segment: 'floor-1' }, own: ['site'] },
      { request: { attributes: { line: '2' } }, own: [] },
    ];
    for (const name of ['floor-1', 'floor-2'])
      await server.owner.post('/v1/segments', { name, cidr: '0.0.0.0/0', deviceLimit: 1000 });
    const tokens = await Promise.all(
      enrollments.map(async ({ request, own }) => ({ own, may: request, ...(await enroll(server, request)) })),
    );
    for (let n = 0; n < things; n++) {
      const by = random.pick(tokens);
      const name = `${random.pick(['a', 'b'])}${random.pick(['-', '_'])}${n}`;
      const own = 'deviceAttributes' in by.may ? by.may.deviceAttributes : [];
      const said = own
        .filter(() => random.chance(0.6))
        .map((each) => [each, each === 'site' ? random.pick(sites) : random.pick(['1', '2'])]);
      const { answer: made } = await provision(server, by.token, name, { attributes: Object.fromEntries(said) });
      expect(made.status, made.text).toBe(201);
      ofDevice.set(name, by.own);
      if (random.chance(0.2)) server.advance(random.below(86_400));
      await age(name, ofDevice, (made.body.token as { accessToken: string }).accessToken);
    }
    // What is seen is written a little later.
    await server.services.chores.run('write-last-seen').catch(() => {});
    const now = server.now().getTime();
    facts = await read(ofDevice);
    times = [
      'now',
      '-12h',
      '30d',
      '90d',
      '-1w',
      '365d',
      ...facts
        .flatMap(({ notAfter, lastSeenAt }) => [notAfter, lastSeenAt])
        .filter((at) => at !== null)
        .slice(0, 20)
        .map((at) => new Date(at).toISOString()),
    ];
    expect(server.now().getTime()).toBe(now);
  });
  afterAll(() => server.stop());

  /** What operators do to some of them. */
  async function age(name: string, ofDevice: Map<string, string[]>, token: string): Promise<void> {
    const at = `/v1/things/${name}`;
    if (random.chance(0.3)) await server.as(token).get('/v1/self');
    if (random.chance(0.2)) {
      await server.owner.send('PATCH', at, { attributes: { site: random.pick(sites) } });
      ofDevice.set(
        name,
        ofDevice.get(name)!.filter((each) => each !== 'site'),
      );
    }
    if (random.chance(0.2))
      await server.owner.send('PUT', `${at}/policies`, {
        policies: random.pick([[], ['camera'], ['camera', 'sensor']]),
      });
    if (random.chance(0.2)) await server.owner.send('PUT', `/v1/segments/floor-2/things/${name}`);
    const act = random.below(12);
    if (act === 0) await server.owner.post(`${at}/suspend`, {});
    if (act === 1) await server.owner.post(`${at}/revoke`, { reason: 'keyCompromise' });
    if (act === 2) await server.owner.send('DELETE', at);
  }

  async function read(ofDevice: Map<string, string[]>): Promise<Facts[]> {
    const ends = new Map<string, number>();
    const certificates = (await server.owner.get('/v1/certificates?limit=1000')).body.items as {
      thingName: string;
      status: string;
      notAfter: string;
      revokedAt?: string;
    }[];
    for (const { thingName, notAfter, revokedAt } of certificates)
      if (!revokedAt) ends.set(thingName, Math.max(ends.get(thingName) ?? 0, Date.parse(notAfter)));
    const items = (await server.owner.get('/v1/things?limit=1000')).body.items as (Facts & {
      thingType?: string;
      lastSeenAt?: string;
    })[];
    expect(items).toHaveLength(things);
    return items.map(({ name, thingType, status, segment, policies, attributes, lastSeenAt }) => ({
      name,
      type: thingType ?? null,
      status,
      segment: segment ?? null,
      policies,
      attributes,
      notAfter: ends.get(name) ?? null,
      lastSeenAt: lastSeenAt === undefined ? null : Date.parse(lastSeenAt),
      ofDevice: ofDevice.get(name)!,
    }));
  }

  const expected = (asked: Asked, trusted: boolean): string[] => {
    const now = server.now().getTime();
    return facts.filter((each) => answer(asked, each, now, trusted) === true).map(({ name }) => name);
  };

  it(`${questions} random questions find what a plain reading of them finds, in both forms`, async () => {
    const owner = server.direct(server.ownerKey);
    let [found, empty] = [0, 0];
    for (let n = 0; n < questions; n++) {
      const asked = randomQuestion(random, { words, times }, random.below(4));
      const query = random.chance(0.5) ? asText(asked, random) : JSON.stringify(asObject(asked));
      const list = await owner.get(`/v1/things?limit=1000&query=${encodeURIComponent(query)}`);
      const names = expected(asked, false);
      expect(list.status, `${query} ${list.text}`).toBe(200);
      expect(list.body.items.map(({ name }: Facts) => name).sort(), query).toEqual(names.sort());
      if (names.length > 0) found += names.length;
      else empty++;
    }
    console.log(
      `queries on ${kind}: ${questions} questions over ${things} things, ${found} matches, ${empty} without any`,
    );
    expect(found).toBeGreaterThan(questions);
    expect(empty).toBeLessThan(questions / 2);
  });

  it('what widens rights matches nothing that only a device says', async () => {
    const owner = server.direct(server.ownerKey);
    let leftOut = 0;
    for (let n = 0; n < questions / 4; n++) {
      const asked = randomQuestion(random, { words, times }, random.below(4));
      const preview = await owner.post('/v1/campaigns', {
        query: asObject(asked),
        do: 'attach',
        policies: ['camera'],
        dryRun: true,
      });
      const alive = new Set(
        facts.filter(({ status }) => status !== 'revoked' && status !== 'deleted').map(({ name }) => name),
      );
      const count = (trusted: boolean) => expected(asked, trusted).filter((name) => alive.has(name)).length;
      expect(preview.body, `${JSON.stringify(asObject(asked))} ${preview.text}`).toMatchObject({
        things: count(true),
        leftOut: count(false) - count(true),
      });
      leftOut += count(false) - count(true);
    }
    console.log(
      `queries on ${kind}: ${questions / 4} questions for acts that widen rights, ${leftOut} matches left out`,
    );
    expect(leftOut).toBeGreaterThan(0);
  });
});
