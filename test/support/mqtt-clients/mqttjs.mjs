// The list of actions of a real client, by MQTT.js. Prints what came of each as JSON.
import mqtt from 'mqtt';

const [port, password, versionText, letter] = process.argv.slice(2);
const version = Number(versionText);
const five = version === 5;

async function open(name, { clean = true, will } = {}) {
  const client = mqtt.connect({
    host: '127.0.0.1',
    port: Number(port),
    clientId: `${letter}${name}`,
    username: 'u',
    password,
    protocolVersion: version,
    clean,
    reconnectPeriod: 0,
    ...(five && !clean ? { properties: { sessionExpiryInterval: 600 } } : {}),
    ...(will ? { will: { topic: will, payload: 'gone', qos: 1 } } : {}),
  });
  const heard = [];
  let check = () => {};
  client.on('message', (topic, payload, packet) => {
    heard.push({ topic, payload, packet });
    check();
  });
  client.on('error', () => {});
  const present = await new Promise((resolve, reject) => {
    client.once('connect', ({ sessionPresent }) => resolve(sessionPresent));
    client.once('close', () => reject(new Error('closed')));
  });
  const take = (count) =>
    new Promise((resolve) => {
      check = () => {
        if (heard.length < count) return;
        check = () => {};
        resolve(heard.splice(0));
      };
      check();
    });
  return { client, present, heard, take };
}

const shown = ({ topic, payload, packet: { qos, retain } }) =>
  `${topic} q${qos}${retain ? ' retain' : ''} ${payload.length < 100 ? payload : `${payload.length} octets`}`.replaceAll(
    letter,
    '~',
  );
const lines = (messages) => messages.map(shown).sort();

const done = {};
const publisher = await open('-pub');
let subscriber = await open('-sub', { clean: false });
const publish = (topic, payload, qos, more = {}) => publisher.client.publishAsync(topic, payload, { qos, ...more });
done.connect = [publisher.present, subscriber.present];
const granted = await subscriber.client.subscribeAsync({
  [`${letter}/a/#`]: { qos: 2 },
  [`${letter}/+/q1`]: { qos: 1 },
});
done.subscribe = granted.map(({ qos }) => qos);
for (const qos of [0, 1, 2]) await publish(`${letter}/a/x`, `m${qos}`, qos);
done.receive = lines(await subscriber.take(3));
await publish(`${letter}/a/x`, 'x'.repeat(200_000), 1);
const [large] = await subscriber.take(1);
done.large = [large.payload.length, large.payload.reduce((sum, octet) => sum + octet, 0)];
await publish(`${letter}/r/1`, 'kept', 1, { retain: true });
const late = await open('-late');
await late.client.subscribeAsync(`${letter}/r/#`, { qos: 1 });
done.retained = lines(await late.take(1));
await publish(`${letter}/r/1`, '', 1, { retain: true });
await late.client.endAsync();
await subscriber.client.unsubscribeAsync(`${letter}/a/#`);
await publish(`${letter}/a/x`, 'unheard', 1);
await publish(`${letter}/b/q1`, 'marker', 1);
done.unsubscribe = lines(await subscriber.take(1));
await subscriber.client.endAsync();
await publish(`${letter}/b/q1`, 'away 1', 1);
await publish(`${letter}/b/q1`, 'away 2', 2);
subscriber = await open('-sub', { clean: false });
done.session = [subscriber.present, lines(await subscriber.take(2))];
const failing = await open('-will', { will: `${letter}/b/q1` });
failing.client.stream.destroy();
done.will = lines(await subscriber.take(1));
if (five) {
  const properties = {
    userProperties: { k: ['1', '2'], a: '3' },
    responseTopic: `${letter}/answer`,
    correlationData: Buffer.from('77'),
    contentType: 'text/plain',
  };
  await publish(`${letter}/b/q1`, 'asked', 1, { properties });
  const said = (await subscriber.take(1))[0].packet.properties;
  done.properties = [
    Object.entries(said.userProperties).flatMap(([name, values]) => [values].flat().map((value) => `${name}=${value}`)),
    said.responseTopic.replaceAll(letter, '~'),
    said.correlationData.toString(),
    said.contentType,
  ];
  const members = [await open('-one'), await open('-two')];
  for (const { client } of members) await client.subscribeAsync(`$share/g/${letter}/s/#`, { qos: 1 });
  for (let nth = 0; nth < 6; nth++) await publish(`${letter}/s/x`, `s${nth}`, 1);
  const all = () => members.flatMap(({ heard }) => heard);
  while (all().length < 6) await new Promise((resolve) => setTimeout(resolve, 20));
  done.shared = lines(all());
  for (const { client } of members) await client.endAsync();
}
await subscriber.client.endAsync();
// The session is forgotten.
await (await open('-sub')).client.endAsync();
await publisher.client.endAsync();
console.log(JSON.stringify(done));
