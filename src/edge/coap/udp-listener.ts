import type { RemoteInfo, Socket } from 'node:dgram';
import type { Admission } from '../arrivals/admission.js';
import { formatAddress } from '../arrivals/client-address.js';
import type { OpenListener } from '../proxy/listeners.js';
import type { Listener } from '../settings/config-shapes.js';
import { bindAt } from '../settings/listening.js';
import { createDatagrams } from './datagrams.js';
import type { CoapFront } from './front.js';

type Deps = {
  front: CoapFront;
  admission: Admission;
  /** Where the settings name the listener. */
  place: string;
};

const receiveBuffer = 1_048_576;

/** Opens a port of UDP. @throws EdgeStartError when it cannot be had */
export async function openUdpListener(listener: Listener, { front, admission, place }: Deps): Promise<OpenListener> {
  const { host, protocol: what } = listener;
  let passed = 0;
  let isClosed = false;
  const { socket, port } = await bindAt({ place, what, host, port: listener.port });
  const datagrams = createDatagrams({ front, admission, isClosed: () => isClosed });
  tryBuffer(socket);

  const send =
    ({ address, port: to }: RemoteInfo) =>
    (bytes: Buffer): void => {
      passed += bytes.length;
      // What cannot be sent is as lost as what is lost on its way.
      if (!isDestroyed) socket.send(bytes, to, address, () => {});
    };
  let isDestroyed = false;

  socket.on('message', (bytes, from) => {
    passed += bytes.length;
    const sourceIp = formatAddress(from.address);
    if (sourceIp === undefined || from.port === 0) return;
    datagrams.take(bytes, { endpoint: `${from.address} ${from.port}`, sourceIp, send: send(from) });
  });

  return {
    listener,
    port,
    reload: () => {},
    close: () => void (isClosed = true),
    destroyAll() {
      if (!isDestroyed) socket.close();
      isDestroyed = true;
    },
    octets: () => passed,
  };
}

/** More room for a burst, as far as the system gives it. */
function tryBuffer(socket: Socket): void {
  try {
    socket.setRecvBufferSize(receiveBuffer);
  } catch {
    // The default of the system will do.
  }
}
