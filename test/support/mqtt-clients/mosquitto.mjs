// The list of actions of a real client, by mosquitto_pub and mosquitto_sub. Prints what came of each as JSON.
import { spawn } from 'node:child_process';

const [port, password, versionText, letter] = process.argv.slice(2);
const five = versionText === '5';
const common = ['-h', '127.0.0.1', '-p', port, '-u', 'u', '-P', password, '-V', five ? 'mqttv5' : 'mqttv311'];
const format = 'message %t q%q r%r %l %p';
// What is large is not said whole.
const shown = (line) => {
  const [, topic, qos, retain, length, payload] = /^message (\S+) (q.) r(.) (\d+) (.*)$/s.exec(line);
  return `${topic} ${qos}${retain === '1' ? ' retain' : ''} ${Number(length) < 100 ? payload : `${length} octets`}`.replaceAll(
    letter,
    '~',
  );
};

function start(name, args, said = format) {
  const more = ['-i', `${letter}${name}`, '-F', said, '-d'];
  const child = spawn('stdbuf', ['-oL', 'mosquitto_sub', ...common, ...more, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = [];
  const history = [];
  let rest = '';
  let check = () => {};
  child.stdout.on('data', (text) => {
    const whole = (rest + text).split('\n');
    rest = whole.pop();
    lines.push(...whole);
    history.push(...whole);
    check();
  });
  const exited = new Promise((resolve) => void child.once('exit', resolve));
  const until = (holds) =>
    new Promise((resolve) => {
      check = () => {
        if (!holds()) return;
        check = () => {};
        resolve();
      };
      check();
    });
  const messages = () => lines.filter((line) => line.startsWith('message '));
  return {
    lines,
    history,
    messages,
    until,
    take: async (count) => {
      await until(() => messages().length >= count);
      const taken = messages();
      lines.length = 0;
      return taken;
    },
    subscribed: () => until(() => lines.some((line) => line.startsWith('Subscribed'))),
    end: (signal) => {
      child.kill(signal);
      // Its handler of signals takes locks that the program may hold itself: then it never ends.
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      return exited.finally(() => clearTimeout(timer));
    },
  };
}

function publish(topic, payload, qos, more = []) {
  const content = payload === '' ? ['-n'] : ['-s'];
  const args = [...common, '-i', `${letter}-pub`, '-t', `${letter}${topic}`, '-q', String(qos), ...content, ...more];
  const child = spawn('mosquitto_pub', args, { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(payload);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`mosquitto_pub: ${code}`))));
  });
}

const staying = ['-c', ...(five ? ['-x', '600'] : [])];
const filter = (name) => `${letter}${name}`;
const sorted = (lines) => lines.map(shown).sort();
const done = {};

const first = start('-sub', [...staying, '-q', '2', '-t', filter('/a/#'), '-t', filter('/+/q1')]);
await first.subscribed();
done.subscribe = first.lines.find((line) => line.startsWith('Subscribed')).replace(/^.*: /, '');
for (const qos of [0, 1, 2]) await publish('/a/x', `m${qos}`, qos);
done.receive = sorted(await first.take(3));
await publish('/a/x', 'x'.repeat(200_000), 1);
done.large = sorted(await first.take(1));
await publish('/r/1', 'kept', 1, ['-r']);
const late = start('-late', ['-q', '1', '-t', filter('/r/#')]);
done.retained = sorted(await late.take(1));
await publish('/r/1', '', 1, ['-r']);
await late.end('SIGTERM');
await first.end('SIGTERM');
await publish('/b/q1', 'away 1', 1);
await publish('/b/q1', 'away 2', 2);
const second = start('-sub', [...staying, '-q', '1', '-t', filter('/+/q1'), '-U', filter('/a/#')]);
done.session = sorted(await second.take(2));
await second.until(() => second.history.some((line) => line.includes('UNSUBACK')));
await publish('/a/x', 'unheard', 1);
await publish('/b/q1', 'marker', 1);
done.unsubscribe = sorted(await second.take(1));
const failing = start('-will', [
  '-t',
  filter('/none'),
  '--will-topic',
  filter('/b/q1'),
  '--will-payload',
  'gone',
  '--will-qos',
  '1',
]);
await failing.subscribed();
await failing.end('SIGKILL');
done.will = sorted(await second.take(1));
if (five) {
  await second.end('SIGTERM');
  const third = start('-sub', [...staying, '-q', '1', '-t', filter('/+/q1')], 'message %P|%R|%D|%C');
  await third.subscribed();
  const properties = ['k 1', 'k 2', 'a 3'].flatMap((pair) => ['-D', 'publish', 'user-property', ...pair.split(' ')]);
  const others = ['response-topic', filter('/answer'), 'correlation-data', '77', 'content-type', 'text/plain'];
  for (let at = 0; at < others.length; at += 2) properties.push('-D', 'publish', others[at], others[at + 1]);
  await publish('/b/q1', 'asked', 1, properties);
  done.properties = (await third.take(1)).map((line) => line.replaceAll(letter, '~'));
  await third.end('SIGTERM');
  const members = ['-one', '-two'].map((name) => start(name, ['-q', '1', '-t', `$share/g/${filter('/s/#')}`]));
  for (const member of members) await member.subscribed();
  for (let nth = 0; nth < 6; nth++) await publish('/s/x', `s${nth}`, 1);
  const all = () => members.flatMap((member) => member.messages());
  while (all().length < 6) await new Promise((resolve) => setTimeout(resolve, 20));
  done.shared = sorted(all());
  for (const member of members) await member.end('SIGTERM');
} else await second.end('SIGTERM');
// The session is forgotten.
const last = start('-sub', ['-t', filter('/none')]);
await last.subscribed();
await last.end('SIGTERM');
console.log(JSON.stringify(done));
