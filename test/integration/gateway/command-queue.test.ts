import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { openEdgeStream } from '../../support/edge/follower.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

type Edge = { id: string; run: string };
type Claimed = { commands: { id: string; name: string; session: string }[]; held: string[]; more: boolean };

describe.each(databaseKinds)('the queue of commands on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;
  let enrollment: string;
  let names = 0;

  beforeAll(async () => {
    server = await startServer(kind);
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    enrollment = (await enroll(server, { thingType: 'pump' })).token;
  });
  afterAll(() => server.stop());

  const edgeClient = () => server.as(edgeKey);
  const addThing = async (): Promise<string> => {
    const name = `pump-${names++}`;
    expect((await provision(server, enrollment, name)).answer.status).toBe(201);
    return name;
  };
  /** An edge with a session `s-THING` of each of these things. */
  const addEdge = async (things: string[]): Promise<Edge> => {
    const { id } = (await edgeClient().post('/v1/proxies', { name: `edge-${names++}`, sessions: true })).body;
    const opened = things.map((thingName) => ({
      id: `s-${thingName}`,
      thingName,
      protocol: 'mqtts',
      connectedAt: '2026-01-02T03:04:05Z',
    }));
    const run = `run-${names++}`;
    await edgeClient().post(`/v1/proxies/${id}/applied`, {
      cursor: server.services.log.cursor(),
      incarnation: run,
      mode: 'stream',
    });
    const answer = await edgeClient().post(`/v1/proxies/${id}/sessions`, { incarnation: run, full: true, opened });
    expect(answer.status, answer.text).toBe(204);
    return { id, run };
  };
  const send = async (thing: string, body: object) => server.owner.post(`/v1/things/${thing}/commands`, body);
  const queue = async (thing: string, name = 'reboot', more: object = {}): Promise<string> => {
    const answer = await send(thing, { name, expiresIn: 60, ...more });
    expect(answer.status, answer.text).toBe(202);
    expect(answer.body).toEqual({ id: expect.any(String), status: 'queued' });
    return answer.body.id as string;
  };
  const claimAs = ({ id, run }: Edge, sessions: object[], claim: string = randomUUID()) =>
    edgeClient().post('/v1/edge/commands/claim', { proxy: id, incarnation: run, claim, sessions });
  const claim = async (edge: Edge, things: string[], mark?: string): Promise<Claimed> => {
    const answer = await claimAs(
      edge,
      things.map((thing) => ({ id: `s-${thing}` })),
      mark,
    );
    expect(answer.status, answer.text).toBe(200);
    return answer.body as Claimed;
  };
  const tell = ({ id, run }: Edge, ...commands: object[]) =>
    edgeClient().post('/v1/edge/commands/report', { proxy: id, incarnation: run, commands });
  const stateOf = async (thing: string, id: string) =>
    (await server.owner.get(`/v1/things/${thing}/commands/${id}`)).body.status as string;
  const idsOf = ({ commands }: Claimed): string[] => commands.map(({ id }) => id);

  it('goes from queued to delivered to acknowledged, in the order of its making', async () => {
    const thing = await addThing();
    const edge = await addEdge([thing]);
    const payload = { text: 'ä \\ "', deep: [[[1e300]]], none: null };
    const first = await queue(thing, 'one', { payload });
    const second = await queue(thing, 'two');
    const got = await claim(edge, [thing]);
    expect(idsOf(got)).toEqual([first, second]);
    expect(got).toMatchObject({
      held: [`s-${thing}`],
      commands: [{ thingName: thing, name: 'one', payload }, { payload: null }],
    });
    expect(await stateOf(thing, first)).toBe('queued');
    expect((await tell(edge, { id: first, thingName: thing, status: 'delivered' })).status).toBe(204);
    expect(await stateOf(thing, first)).toBe('delivered');
    const result = { status: 'acknowledged', took: 3 };
    expect((await tell(edge, { id: first, thingName: thing, status: 'acknowledged', result })).status).toBe(204);
    // What comes again, or late, changes nothing.
    await tell(
      edge,
      { id: first, thingName: thing, status: 'failed' },
      { id: first, thingName: thing, status: 'delivered' },
    );
    await tell(edge, { id: first, thingName: thing, status: 'released' });
    const { body } = await server.owner.get(`/v1/things/${thing}/commands/${first}`);
    expect(body).toMatchObject({ status: 'acknowledged', payload, result, claimedAt: expect.any(String) });
    const audit = await server.owner.get(`/v1/audit?action=command.create&target=thing:${thing}`);
    expect(audit.body.items).toMatchObject([{ detail: { id: second, name: 'two' } }, { detail: { id: first } }]);
  });

  it('edges that claim at once share what there is: each command once', async () => {
    const things = await Promise.all([addThing(), addThing(), addThing()]);
    const edges = await Promise.all([addEdge(things), addEdge(things), addEdge(things)]);
    const made = await Promise.all(things.flatMap((thing) => Array.from({ length: 10 }, () => queue(thing))));
    const got = await Promise.all(Array.from({ length: 12 }, (_, nth) => claim(edges[nth % edges.length]!, things)));
    for (let more = true; more;) {
      const rest = await claim(edges[0], things);
      got.push(rest);
      more = rest.more;
    }
    expect(got.flatMap(idsOf).sort()).toEqual(made.sort());
  });

  it('an answer to a claim that was lost is given again, and nothing else with it', async () => {
    const thing = await addThing();
    const edge = await addEdge([thing]);
    const first = await queue(thing);
    const mark = randomUUID();
    expect(idsOf(await claim(edge, [thing], mark))).toEqual([first]);
    await queue(thing);
    expect(idsOf(await claim(edge, [thing], mark))).toEqual([first]);
    const other = await addEdge([thing]);
    expect(idsOf(await claim(other, [thing], mark))).not.toContain(first);
  });

  it('only who holds the session gets it: not after it closed, not by another run, key or account', async () => {
    const thing = await addThing();
    const edge = await addEdge([thing]);
    const other = await addEdge([]);
    const id = await queue(thing);
    expect(await claim(other, [thing])).toEqual({ commands: [], held: [], more: false });
    expect(problemOf(await claimAs({ ...edge, run: 'another' }, [{ id: `s-${thing}` }]))).toBe('conflict');
    expect((await claimAs({ id: randomUUID(), run: 'r' }, [{ id: 's' }])).status).toBe(404);
    const strange = server.as((await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string);
    const asked = { proxy: edge.id, incarnation: edge.run, claim: randomUUID(), sessions: [{ id: `s-${thing}` }] };
    expect((await strange.post('/v1/edge/commands/claim', asked)).status).toBe(403);
    const account = `other-${names++}`;
    const theirs = server.as((await server.owner.post('/v1/accounts', { name: account })).body.ownerKey as string);
    expect((await theirs.post('/v1/edge/commands/claim', asked)).status).toBe(404);
    expect((await theirs.get(`/v1/things/${thing}/commands/${id}`)).status).toBe(404);
    expect((await theirs.get(`/v1/things/${thing}/commands`)).status).toBe(404);
    expect((await theirs.post(`/v1/things/${thing}/commands`, { name: 'x' })).status).toBe(404);
    server.advance(2);
    await edgeClient().post(`/v1/proxies/${edge.id}/sessions`, { incarnation: edge.run, closed: [`s-${thing}`] });
    expect(await claim(edge, [thing])).toEqual({ commands: [], held: [], more: false });
    // Who neither sent it nor holds a session of the thing cannot say what became of it.
    expect((await tell(other, { id, thingName: thing, status: 'acknowledged' })).status).toBe(204);
    expect(await stateOf(thing, id)).toBe('queued');
  });

  it('a session that takes some names gets these; what was not sent waits again, and edges hear of it', async () => {
    const thing = await addThing();
    const edge = await addEdge([thing]);
    const [one, two] = [await queue(thing, 'one'), await queue(thing, 'two')];
    const some = await claimAs(edge, [{ id: `s-${thing}`, names: ['two', 'three'] }]);
    expect(idsOf(some.body as Claimed)).toEqual([two]);
    const stream = await openEdgeStream(server, edgeKey, server.services.log.cursor());
    await tell(edge, { id: two, thingName: thing, status: 'released' });
    await expect.poll(() => stream.entries).toMatchObject([{ type: 'command', id: two, thingName: thing }]);
    stream.close();
    expect(idsOf(await claim(edge, [thing]))).toEqual([one, two]);
  });

  it('a thing that is suspended gets nothing until it is resumed; a later thing of its name gets nothing of an earlier one', async () => {
    const thing = await addThing();
    const edge = await addEdge([thing]);
    const id = await queue(thing);
    await server.owner.post(`/v1/things/${thing}/suspend`);
    expect(idsOf(await claim(edge, [thing]))).toEqual([]);
    expect(problemOf(await send(thing, { name: 'reboot' }))).toBe('thing-not-active');
    await server.owner.post(`/v1/things/${thing}/resume`);
    expect(idsOf(await claim(edge, [thing]))).toEqual([id]);
  });

  it('the clock makes expired of what waits and unknown of what was claimed; a late answer still counts', async () => {
    const thing = await addThing();
    const edge = await addEdge([thing]);
    const [waiting, sent, delivered] = [await queue(thing, 'a'), await queue(thing, 'b'), await queue(thing, 'c')];
    await claimAs(edge, [{ id: `s-${thing}`, names: ['b', 'c'] }]);
    await tell(edge, { id: delivered, thingName: thing, status: 'delivered' });
    server.advance(61);
    const states = async () => Promise.all([waiting, sent, delivered].map((id) => stateOf(thing, id)));
    expect(await states()).toEqual(['expired', 'unknown', 'unknown']);
    expect(idsOf(await claim(edge, [thing]))).toEqual([]);
    const unknown = await server.owner.get(`/v1/things/${thing}/commands?status=unknown&limit=1`);
    expect(unknown.body.items).toMatchObject([{ id: delivered }]);
    const next = await server.owner.get(
      `/v1/things/${thing}/commands?status=unknown&limit=1&cursor=${unknown.body.nextCursor as string}`,
    );
    expect(next.body.items).toMatchObject([{ id: sent }]);
    await server.services.chores.run('expire-commands');
    expect(await states()).toEqual(['expired', 'unknown', 'unknown']);
    await tell(edge, { id: sent, thingName: thing, status: 'acknowledged', result: {} });
    await tell(edge, { id: waiting, thingName: thing, status: 'acknowledged', result: {} });
    expect(await states()).toEqual(['expired', 'acknowledged', 'unknown']);
    server.advance(8 * 86_400);
    await server.services.chores.run('prune-commands');
    expect((await server.owner.get(`/v1/things/${thing}/commands`)).body.items).toEqual([]);
  });

  it('a schema of the type goes before that of every type, and what does not fit is refused', async () => {
    const thing = await addThing();
    const make = (body: object) => server.owner.post('/v1/command-schemas', body);
    const every = await make({ name: 'set', schema: { type: 'object' } });
    expect(every.status, every.text).toBe(201);
    expect(problemOf(await make({ name: 'set', schema: true }))).toBe('conflict');
    const pump = { type: 'object', required: ['rpm'], properties: { rpm: { type: 'integer', maximum: 9000 } } };
    const own = await make({ name: 'set', thingType: 'pump', schema: pump });
    expect(own.body).toMatchObject({ name: 'set', thingType: 'pump', schema: pump });
    const refused = await send(thing, { name: 'set', payload: { rpm: 9001 } });
    expect([refused.status, refused.body.detail]).toEqual([
      400,
      expect.stringContaining('payload/rpm must be <= 9000'),
    ]);
    expect((await send(thing, { name: 'set', payload: { rpm: 9000 } })).status).toBe(202);
    expect((await server.owner.get('/v1/command-schemas?name=set')).body.items).toHaveLength(2);
    expect((await server.owner.send('DELETE', `/v1/command-schemas/${own.body.id}`)).status).toBe(204);
    expect((await server.owner.get(`/v1/command-schemas/${own.body.id}`)).status).toBe(404);
    expect((await send(thing, { name: 'set', payload: {} })).status).toBe(202);
    expect((await send(thing, { name: 'set', payload: 1 })).status).toBe(400);
    for (const schema of [
      { pattern: '(a+)+$' },
      { properties: { a: { format: 'regex' } } },
      { allOf: [{ $ref: '#' }] },
      { uniqueItems: true },
      { type: 'nonsense' },
      { items: 5 },
      'text',
      null,
      { anyOf: Array.from({ length: 300 }, () => ({})) },
      { enum: ['x'.repeat(20_000)] },
    ])
      expect(problemOf(await make({ name: 'bad', schema })), JSON.stringify(schema).slice(0, 80)).toBe(
        'invalid-request',
      );
  });

  it('everything has a limit', async () => {
    const thing = await addThing();
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
    for (const body of [
      { name: 'a/b' },
      { name: '+' },
      { name: '' },
      {},
      { name: 'x', expiresIn: 0 },
      { name: 'x', expiresIn: 604_801 },
      { name: 'x', payload: 'x'.repeat(65_535) },
      { name: 'x', payload: nested(33) },
      { name: 'x', more: 1 },
    ])
      expect((await send(thing, body)).status, JSON.stringify(body).slice(0, 80)).toBe(400);
    expect((await send(thing, { name: 'x', payload: 'x'.repeat(300_000) })).status).toBe(413);
    expect((await send('nobody', { name: 'x' })).status).toBe(404);
    const made = await Promise.all(Array.from({ length: 110 }, () => send(thing, { name: 'x', expiresIn: 600 })));
    expect(made.filter(({ status }) => status === 202)).toHaveLength(100);
    expect(problemOf(made.find(({ status }) => status !== 202)!)).toBe('too-many-requests');
    server.advance(601);
    expect((await send(thing, { name: 'x' })).status).toBe(202);
  });
});
