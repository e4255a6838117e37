import mqtt from './mqtt.esm.js';

const topic = 'gallery/picture';
// A choice is one of these names. Whatever else is published cannot bring a picture into the page.
const pictures = {
  harbour: 'A harbour at noon',
  forest: 'A forest in the morning',
  night: 'A mountain at night',
};
const keepAliveSeconds = 30;
const connectTimeoutMs = 10_000;
const firstWaitMs = 1000;
const longestWaitMs = 30_000;
// The edge or the broker is busy or shuts down (MQTT 5.0 §2.4): try again later. Any other reason stays until somebody acts.
const passing = new Set([0x88, 0x89, 0x8b, 0x8d, 0x97, 0x9c]);

const element = (id) => document.getElementById(id);

function say(state, text) {
  element('state').dataset.state = state;
  element('state').textContent = text;
  document.body.toggleAttribute('data-live', state === 'connected');
  element('entry').hidden = !['idle', 'refused', 'thrown-out'].includes(state);
}

function show(name) {
  const isKnown = Object.hasOwn(pictures, name);
  element('picture').src = `pictures/${isKnown ? name : 'none'}.svg`;
  element('picture').alt = isKnown ? pictures[name] : 'No picture';
  element('caption').textContent = isKnown
    ? `${pictures[name]}, shown since ${new Date().toLocaleTimeString()}.`
    : 'This page does not have the picture that was chosen.';
}

/** The edge's own words for a reason, or the number of it. */
function wordsOf({ reasonCode, properties }) {
  return properties?.reasonString ?? `reason 0x${reasonCode.toString(16).padStart(2, '0')}`;
}

/** Connects, and keeps trying as long as the reason is one that passes. The token is kept in memory alone. */
function open(thing, token, waitMs = firstWaitMs) {
  say('connecting', `Connecting as ${thing} …`);
  let last;
  const client = mqtt.connect(`wss://${location.host}/mqtt`, {
    protocolVersion: 5,
    clientId: thing,
    username: thing,
    password: token,
    clean: true,
    keepalive: keepAliveSeconds,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: 0,
    // The other kinds of timers need a worker from a blob, which the policy of this page forbids.
    timerVariant: 'native',
  });
  const finish = (state, text) => {
    last = { state, text };
    client.end(true);
  };
  client.on('packetreceive', (packet) => {
    const { cmd, reasonCode = 0 } = packet;
    const isEnd = cmd === 'disconnect' || (cmd === 'connack' && reasonCode !== 0);
    if (!isEnd || passing.has(reasonCode)) return;
    if (cmd === 'connack') finish('refused', `Refused: ${wordsOf(packet)}`);
    else finish('thrown-out', `Thrown out: ${wordsOf(packet)}`);
  });
  client.on('connect', () => {
    waitMs = firstWaitMs;
    client.subscribe(topic, { qos: 1 }, (error, granted = []) => {
      if (last) return;
      if (error || granted.some(({ qos }) => qos >= 0x80)) finish('refused', `Refused: may not subscribe to ${topic}`);
      else say('connected', `Connected as ${thing}`);
    });
  });
  client.on('message', (_topic, payload) => show(payload.toString()));
  // What went wrong is said when the connection is closed.
  client.on('error', () => {});
  client.once('close', () => {
    client.end(true);
    if (last) return say(last.state, last.text);
    say('lost', `No connection: trying again in ${Math.round(waitMs / 1000)} s`);
    setTimeout(() => open(thing, token, Math.min(waitMs * 2, longestWaitMs)), waitMs);
  });
}

element('entry').addEventListener('submit', (event) => {
  event.preventDefault();
  const [thing, token] = [element('thing').value.trim(), element('token').value.trim()];
  element('token').value = '';
  open(thing, token);
});
