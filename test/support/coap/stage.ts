import { createEdgeStage, eventually, type EdgeStage } from '../edge/stage.js';
import { answersIn, coapClient, start, type Running } from './device.js';

export type CoapStage = Awaited<ReturnType<typeof createCoapStage>>;

/** A stage with Mosquitto and an edge that takes CoAP over UDP. */
export async function createCoapStage() {
  const stage: EdgeStage = await createEdgeStage();
  const url = await stage.startBroker();
  const brokerPort = new URL(url).port;
  const broker = { url, username: '${account}/${thing.name}', passwordFile: stage.at('broker.pw') };
  const edge = await stage.startEdge([{ protocol: 'coap' }], { upstream: { mqtt: broker } });
  const port = edge.portOf(0);
  const publish = (args: string[]) =>
    start('mosquitto_pub', ['-p', brokerPort, '-q', '1', ...args], stage.at('')).ended;

  /** Starts libcoap; it ends after its answer, or with `-s` later. */
  const client = (method: string, path: string, token: string, more: string[] = []): Running => {
    const shown = token === '' ? [] : ['-O', `65001,${token}`];
    const args = ['-m', method, '-B', '5', '-v', '7', ...shown, ...more, `coap://127.0.0.1:${port}/${path}`];
    const running = start(coapClient, args, stage.at(''));
    stage.children.push(running.child);
    return running;
  };

  return {
    stage,
    broker,
    edge,
    port,
    client,
    /** What libcoap printed, and the code of the last answer. */
    async ask(method: string, path: string, token: string, more: string[] = []) {
      const said = await client(method, path, token, more).ended;
      return { said, code: answersIn(said).at(-1) };
    },
    /** Publishes at the broker itself. */
    tell: (topic: string, payload: string) => publish(['-t', topic, '-m', payload]),
    retain: (topic: string, payload: string) => publish(['-r', '-t', topic, '-m', payload]),
    /** Subscribes at the broker itself. */
    async hear(topic: string): Promise<Running> {
      const heard = start('stdbuf', ['-oL', 'mosquitto_sub', '-p', brokerPort, '-t', topic, '-v', '-d'], stage.at(''));
      stage.children.push(heard.child);
      await eventually(heard.said, (text) => text.includes('SUBACK'));
      return heard;
    },
    async sessionsOf(name: string) {
      const { body } = await stage.server.owner.get(`/v1/sessions?thing=${name}`);
      return body.items as { protocol: string; clientId: string }[];
    },
    async isEnforced(position: number): Promise<boolean> {
      const { body } = await stage.server.owner.get(`/v1/revocations/${position}`);
      const items = body.items as { name: string; enforcedAt?: string }[];
      return items.some((each) => each.name === edge.name && each.enforcedAt !== undefined);
    },
    stop: () => stage.stop(),
  };
}
