// Publishers and the broker that they publish to, in one process and so by one clock: messages are counted and timed where they
// arrive. It is told what to do by the process that started it.
import { connect as connectTcp, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The broker's ends of connections, by client id. */
const sinks = new Map();
/** Groups of publishers, by the name of what they publish through. */
const groups = new Map();
let acknowledges = false;
let size = 0;
let idAt = 0;
let arrived = 0;
let times;
let wake = () => {};

const varint = (value) => {
  const octets = [];
  for (let rest = value; ; rest >>= 7) {
    octets.push((rest & 127) | (rest > 127 ? 128 : 0));
    if (rest <= 127) return Buffer.from(octets);
  }
};
const text = (value) => Buffer.concat([Buffer.of(value.length >> 8, value.length & 255), Buffer.from(value)]);
const packet = (first, body) => Buffer.concat([Buffer.of(first), varint(body.length), body]);
const connectPacket = (clientId, password) =>
  packet(0x10, Buffer.concat([text('MQTT'), Buffer.of(4, 0xc2, 0, 0), text(clientId), text('bench'), text(password)]));

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  let hello = Buffer.alloc(0);
  const greet = (chunk) => {
    hello = Buffer.concat([hello, chunk]);
    let [length, at, shift] = [0, 1, 0];
    for (; at < hello.length; at++, shift += 7) {
      length |= (hello[at] & 127) << shift;
      if (hello[at] < 128) break;
    }
    if (at >= hello.length || hello.length < at + 1 + length) return;
    if (hello.length > at + 1 + length) throw new Error('something came before the CONNACK');
    // The header of CONNECT has ten octets, then comes the client id.
    const idFrom = at + 11;
    const clientId = hello.toString('latin1', idFrom + 2, idFrom + 2 + hello.readUInt16BE(idFrom));
    const sink = { socket, at: 0, high: 0, sent: [], first: 0 };
    sinks.set(clientId, sink);
    socket.off('data', greet).on('data', (octets) => take(sink, octets));
    socket.write(Buffer.of(0x20, 2, 0, 0));
  };
  socket.on('data', greet);
});

/** All packets of a run have the same size. */
function take(sink, octets) {
  if (size === 0) return void (octets[0] === 0x82 && sink.socket.write(Buffer.of(0x90, 3, octets[2], octets[3], 0)));
  const before = Math.floor(sink.at / size);
  const packets = Math.floor((sink.at + octets.length) / size) - before;
  if (acknowledges) acknowledge(sink, octets, packets);
  sink.at = (sink.at + octets.length) % size;
  arrived += packets;
  if (times) for (let n = 0; n < packets && !acknowledges; n++) times.push(performance.now() - sink.sent[sink.first++]);
  if (packets > 0 && !acknowledges) wake();
}

function acknowledge(sink, octets, packets) {
  const answers = Buffer.allocUnsafe(packets * 4);
  let written = 0;
  // The high octet of a packet id may have come in the chunk before.
  for (let start = -sink.at; start < octets.length; start += size) {
    const at = start + idAt;
    if (at >= 0 && at < octets.length) sink.high = octets[at];
    if (at + 1 >= 0 && at + 1 < octets.length) sink.low = octets[at + 1];
    if (start + size > octets.length) break;
    answers.writeUInt32BE(0x40020000 | (sink.high << 8) | sink.low, written);
    written += 4;
  }
  if (written > 0) sink.socket.write(answers);
}

async function open({ name, port, tls, clients, ca, subscribes = false }) {
  const publishers = [];
  let next = 0;
  const worker = async () => {
    while (next < clients.length) {
      publishers.push(await openOne({ port, tls, ca, subscribes }, clients[next++]));
    }
  };
  await Promise.all(Array.from({ length: Math.min(64, clients.length) }, worker));
  for (const each of publishers) each.sink = sinks.get(each.clientId);
  groups.set(name, publishers);
}

function openOne({ port, tls, ca, subscribes }, { clientId, password, cert, key }) {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', noDelay: true };
    const socket = tls ? connectTls({ ...options, ca, cert, key, servername: 'localhost' }) : connectTcp(options);
    const publisher = { clientId, socket, inFlight: 0, next: 0, octets: 0, sent: [], first: 0, isFull: false };
    socket.on('error', reject);
    socket.once('close', () => reject(new Error(`${clientId}: closed`)));
    socket.once(tls ? 'secureConnect' : 'connect', () => socket.write(connectPacket(clientId, password)));
    socket.once('data', (answer) => {
      if (answer[0] !== 0x20 || answer[3] !== 0) return reject(new Error(`${clientId}: ${answer.toString('hex')}`));
      if (subscribes) {
        socket.write(packet(0x82, Buffer.concat([Buffer.of(0, 1), text(`${clientId}/#`), Buffer.of(0)])));
        return void socket.once('data', () => resolve(publisher));
      }
      socket.on('data', (octets) => settle(publisher, octets));
      socket.on('drain', () => {
        publisher.isFull = false;
        wake();
      });
      resolve(publisher);
    });
  });
}

/** PUBACK has four octets. */
function settle(publisher, octets) {
  const before = publisher.octets >> 2;
  publisher.octets += octets.length;
  const count = (publisher.octets >> 2) - before;
  publisher.inFlight -= count;
  if (times) for (let n = 0; n < count; n++) times.push(performance.now() - publisher.sent[publisher.first++]);
  wake();
}

/** What one publisher sends again and again: its five topics, and packet ids that differ while they are in flight. */
function ringOf({ clientId }, { qos, payload, ring }) {
  const messages = Array.from({ length: ring }, (_, n) => {
    const id = qos > 0 ? [Buffer.of((n + 1) >> 8, (n + 1) & 255)] : [];
    return packet(
      0x30 | (qos << 1),
      Buffer.concat([text(`${clientId}/sensor-${n % 5}/temperature`), ...id, Buffer.alloc(payload, 7)]),
    );
  });
  return Buffer.concat(messages);
}

function prepare(publishers, run) {
  const { qos, ring } = run;
  acknowledges = qos > 0;
  for (const each of publishers) {
    each.ring = ringOf(each, run);
    each.next = 0;
    each.inFlight = 0;
    each.octets = 0;
    each.first = 0;
    each.sent = [];
    each.sink.at = 0;
    each.sink.first = 0;
    each.sink.sent = each.sent;
  }
  size = publishers[0].ring.length / ring;
  const topic = publishers[0].clientId.length + '/sensor-0/temperature'.length;
  idAt = size - run.payload - 2;
  if (publishers.some((each) => each.ring.length !== size * ring)) throw new Error('sizes differ');
  if (idAt < topic) throw new Error('no place for a packet id');
  arrived = 0;
}

function send(publisher, count, ring) {
  const from = publisher.next;
  publisher.next = (from + count) % ring;
  publisher.inFlight += count;
  const end = Math.min(ring, from + count);
  let more = publisher.socket.write(publisher.ring.subarray(from * size, end * size));
  if (from + count > ring) more = publisher.socket.write(publisher.ring.subarray(0, (from + count - ring) * size));
  if (!more) publisher.isFull = true;
}

/** As many messages as pass in some seconds, with so many on their way at most. Resolves when all of them have arrived. */
function flood({ name, seconds, ...run }) {
  const publishers = groups.get(name);
  prepare(publishers, run);
  const { ring, burst, most } = run;
  const end = performance.now() + seconds * 1000;
  const begun = performance.now();
  let [sent, turn] = [0, 0];
  times = undefined;
  return new Promise((resolve) => {
    wake = () => {
      let skipped = 0;
      const isOver = performance.now() >= end;
      const done = () =>
        acknowledges ? publishers.reduce((sum, each) => sum + each.inFlight, 0) === 0 : arrived === sent;
      while (!isOver && sent - arrived < most && skipped < publishers.length) {
        const publisher = publishers[turn++ % publishers.length];
        // What was sent and not acknowledged fits into the ring.
        if (publisher.isFull || (acknowledges && publisher.inFlight + burst > ring)) {
          skipped++;
          continue;
        }
        skipped = 0;
        send(publisher, burst, ring);
        sent += burst;
      }
      if (!isOver || !done()) return;
      wake = () => {};
      clearInterval(timer);
      for (const each of publishers) each.ring = undefined;
      resolve({ messages: arrived, ms: performance.now() - begun });
    };
    const timer = setInterval(() => wake(), 5);
    wake();
  });
}

/** So many messages a second, each written by itself at its moment, whatever became of those before. Resolves with what each took, in ms. */
function pace({ name, seconds, perSecond, ...run }) {
  const publishers = groups.get(name);
  prepare(publishers, run);
  times = [];
  wake = () => {};
  const total = seconds * perSecond;
  const begun = performance.now();
  let sent = 0;
  return new Promise((resolve, reject) => {
    const turn = () => {
      const due = Math.min(total, Math.floor(((performance.now() - begun) * perSecond) / 1000));
      while (sent < due) {
        const publisher = publishers[sent++ % publishers.length];
        publisher.sent.push(performance.now());
        send(publisher, 1, run.ring);
      }
      if (times.length < total) {
        if (performance.now() - begun > seconds * 1000 + 30_000)
          return reject(new Error(`${times.length} of ${total} came`));
        return void setImmediate(turn);
      }
      const sorted = times.sort((a, b) => a - b);
      times = undefined;
      for (const each of publishers) each.ring = undefined;
      const at = (share) => sorted[Math.floor(sorted.length * share)];
      resolve({ p50: at(0.5), p99: at(0.99) });
    };
    turn();
  });
}

function close({ name }) {
  for (const { socket, clientId } of groups.get(name) ?? []) {
    socket.removeAllListeners('close').on('error', () => {});
    socket.destroy();
    sinks.delete(clientId);
  }
  groups.delete(name);
}

const verbs = {
  listen: () =>
    new Promise((resolve) =>
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => resolve(server.address().port)),
    ),
  open,
  flood,
  pace,
  close,
};

process.on('message', ({ id, verb, ...what }) => {
  Promise.resolve(verbs[verb](what)).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
