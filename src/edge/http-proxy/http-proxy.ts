import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Refusal, Verdict } from '../../authorize/judge.js';
import type { Gate, Shown } from '../gate.js';
import { clientAddress, type Addresses } from '../arrivals/client-address.js';
import { framingFault, hasBody, toClient, toUpstream } from './headers.js';
import { abandoned, createHttpSessions, type Admitted } from './http-sessions.js';
import type { Arrival } from '../proxy/listeners.js';
import { problemOf, problemOfEnding, sendProblem, sendRawProblem, type Problem } from './problems.js';
import type { Segments } from '../proxy/segments.js';
import type { Sessions, Timers } from '../proxy/sessions.js';
import { createPace } from './pace.js';
import { passUpgrade, upgradeFault } from './upgrade.js';
import type { HttpUpstream } from '../proxy/upstream.js';
import type { Witness } from '../proxy/witness.js';

type Deps = {
  gate: Gate;
  sessions: Pick<Sessions, 'add'>;
  segments: Segments;
  timers: Timers;
  upstream: HttpUpstream;
  witness: Witness;
  trusted: Addresses | undefined;
  connectTimeout: number;
  isDraining(): boolean;
};

const keepAliveMs = 75_000;
const away: Problem = {
  code: 'upstream-away',
  detail: 'the service behind this edge does not answer: try again later',
};

/** A reverse proxy that judges every request, and forwards the bytes of the path that it judged. */
export function createHttpProxy(deps: Deps) {
  const { gate, upstream, witness, connectTimeout } = deps;
  const live = createHttpSessions(deps);
  const pace = createPace(deps);
  // Nothing that still comes over these may be read as a request (RFC 9112 §11.2).
  const doubtful = new WeakSet<Duplex>();
  const server = createServer({
    maxHeaderSize: 32_768,
    headersTimeout: connectTimeout,
    // A body may take as long as it likes: the session bounds it.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    connectionsCheckingInterval: Math.min(connectTimeout, 5000),
    noDelay: true,
  });
  // Node looks for slow headers only in servers that listen; this one is given its connections.
  server.emit('listening');

  /** Judges a request. Resolves with the problem when it is not let in. */
  const admit = async (message: IncomingMessage): Promise<Admitted | Problem> => {
    const arrival = live.arrivalOf(message.socket)!;
    const fault = doubtful.has(message.socket)
      ? 'it came after a request whose end is doubtful'
      : framingFault(message);
    if (fault !== undefined) {
      doubtful.add(message.socket);
      return { code: 'invalid-request', detail: fault };
    }
    const sourceIp = clientAddress(arrival.sourceIp, forwardedOf(message), deps.trusted);
    const resource = `http:${message.method} ${message.url}`;
    const shown = shownBy(message, arrival);
    if ('code' in shown) return shown;
    const guest = await gate.identify(shown);
    if ('barred' in guest) {
      witness.refused(guest.barred, { what: 'request', why: guest.barred, detail: guest.detail, sourceIp, resource });
      return problemOf(guest);
    }
    const ask = { action: 'request', resource, context: { protocol: arrival.protocol, sourceIp } };
    const verdict = gate.judge(guest, ask);
    witness.decided(guest, ask, verdict);
    arrival.place.authenticated();
    const { limits } = verdict;
    // Whoever has its turn later is judged again before anything of it reaches the upstream.
    if (!(await pace.turn({ guest, limits }))) {
      witness.refused('quota', { what: 'request', why: 'rate-limit', thing: guest.thingName, sourceIp, resource });
      return { code: 'too-many-requests', detail: 'the rate limit of the segment is exceeded: send less, later' };
    }
    if (verdict.allowed) return { guest, limits, resource, sourceIp };
    const why = verdict.statement?.id ?? verdict.refusal ?? 'cannot-decide';
    witness.refused(verdict.refusal ?? 'statement', {
      what: 'request',
      why,
      thing: guest.thingName,
      sourceIp,
      resource,
    });
    return problemOfDenial(verdict, resource);
  };

  const forward = (message: IncomingMessage, response: ServerResponse, admitted: Admitted): void => {
    const { socket } = message;
    const headers = toUpstream(message, admitted.guest, admitted.sourceIp, upstream.host);
    const request = upstream.request(message.method!, message.url!, headers);
    const brakes = admitted.limits === undefined ? undefined : pace.brakes(admitted);
    const leave = live.hold(socket, { admitted, abort: () => abandoned(request) });
    if (typeof leave !== 'function') {
      request.destroy();
      return sendProblem(response, problemOfEnding(leave), true);
    }
    const failed = (): void => {
      if (!response.destroyed) sendProblem(response, away, true);
    };
    request.once('error', (error) => {
      // Of a client that left, nothing is known of the service.
      if (response.destroyed) return;
      witness.upstreamFailed('http', error);
      failed();
    });
    // Of a request that ended without an answer and without an error.
    request.once('close', () => {
      if (!response.headersSent) failed();
    });
    request.once('response', (answer) => {
      witness.upstreamWorks('http');
      answer.once('error', () => response.destroy());
      response.writeHead(answer.statusCode!, toClient(answer));
      response.flushHeaders();
      if (brakes) answer.pipe(brakes.down).pipe(response);
      else answer.pipe(response);
    });
    response.once('close', () => {
      leave();
      brakes?.up.destroy();
      brakes?.down.destroy();
      if (message.complete && response.writableFinished) return;
      // The rest of a body that nobody waits for would look like the next request.
      request.destroy();
      socket.destroySoon();
    });
    if (deps.isDraining()) response.shouldKeepAlive = false;
    if (!hasBody(message)) request.end();
    else if (brakes) message.pipe(brakes.up).pipe(request);
    else message.pipe(request);
  };

  const answer = async (message: IncomingMessage, response: ServerResponse, waits: boolean): Promise<void> => {
    response.on('error', () => {});
    const admitted = await admit(message);
    if (response.destroyed) return;
    if ('code' in admitted) {
      const isLast = waits || hasBody(message) || admitted.code === 'invalid-request' || deps.isDraining();
      return sendProblem(response, admitted, isLast);
    }
    if (waits) response.writeContinue();
    forward(message, response, admitted);
  };

  const begin = (waits: boolean) => (message: IncomingMessage, response: ServerResponse) => {
    const failed: Problem = { code: 'not-ready', detail: 'this edge failed: try again' };
    answer(message, response, waits).catch(() => sendProblem(response, failed, true));
  };

  const upgrade = async (message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const fault = upgradeFault(message);
    const admitted = fault === undefined ? await admit(message) : ({ code: 'invalid-request', detail: fault } as const);
    if (socket.destroyed) return;
    if ('code' in admitted) return sendRawProblem(socket, admitted);
    const hold = (abort: () => Promise<void>) => live.hold(socket, { admitted, abort });
    const brakes = pace.brakes(admitted);
    passUpgrade({
      message,
      socket,
      head,
      admitted,
      upstream,
      brakes,
      hold,
      failed: (error) => witness.upstreamFailed('http', error),
    });
  };

  server.on('request', begin(false));
  // The client waits with its body until the request is judged.
  server.on('checkContinue', begin(true));
  server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    upgrade(message, socket, head).catch(() => socket.destroy());
  });
  server.on('clientError', refuseUnreadable);

  return {
    /** Takes a connection. One with a client certificate is a session itself: it ends with the certificate. */
    receive(arrival: Arrival): void {
      if (live.connected(arrival)) server.emit('connection', arrival.socket);
      else arrival.socket.destroy();
    },
    /** Closes connections that wait for a request. */
    close(): void {
      server.close(() => {});
      server.closeIdleConnections();
    },
  };
}

function forwardedOf({ headers }: IncomingMessage): string[] {
  const forwarded = headers['x-forwarded-for'];
  return forwarded === undefined ? [] : [String(forwarded)];
}

/** What a request shows of its sender. */
function shownBy({ headers, rawHeaders }: IncomingMessage, arrival: Arrival): Shown | Problem {
  const { fingerprint, withoutCertificates } = arrival;
  const lines = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization').length;
  if (lines > 1) return { code: 'invalid-request', detail: 'it has Authorization twice: send one access token' };
  const token = /^bearer +([!-~]{1,16384})$/i.exec(headers.authorization ?? '')?.[1];
  if (token === undefined && headers.authorization !== undefined)
    return { code: 'missing-credential', detail: 'send the access token as Authorization: Bearer TOKEN' };
  if (token === undefined && fingerprint === undefined)
    return {
      code: 'missing-credential',
      detail: 'show a client certificate, or send an access token as Authorization: Bearer TOKEN',
    };
  return { token, fingerprint, withoutCertificates };
}

function problemOfDenial({ refusal, statement }: Verdict, resource: string): Problem {
  if (refusal === 'cannot-decide')
    return { code: 'not-ready', detail: 'this edge cannot decide now: try again', reasons: [refusal] };
  if (refusal === 'malformed-resource')
    return {
      code: 'forbidden',
      detail:
        'the path cannot be judged: send an absolute path without empty and dot segments, ";" and encoded slashes',
      reasons: [refusal],
    };
  if (refusal && !ofRights.has(refusal)) return problemOf({ barred: refusal, detail: 'the credential was refused' });
  const reason = statement?.id ?? refusal!;
  const detail = `${resource.slice(0, 200)} is denied (${reason}): ask for a policy that allows it`;
  return { code: 'forbidden', detail, reasons: [reason] };
}

const ofRights: ReadonlySet<string> = new Set<Refusal>([
  'no-matching-statement',
  'outside-time-window',
  'outside-segment',
]);

function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  sendRawProblem(
    socket,
    isTooLarge
      ? { code: 'payload-too-large', detail: 'the headers are larger than 32 KiB: send less' }
      : {
          code: 'invalid-request',
          detail: 'this is no request of HTTP/1.1 that can be read without doubt: the connection is closed',
        },
  );
}
