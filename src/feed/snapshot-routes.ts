import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import type { SignedSnapshots } from './signed-snapshot.js';
import { snapshotText, type Snapshot } from './snapshot-text.js';

/** The media type of a signed snapshot (RFC 7515 §9.2.1). */
export const jose = 'application/jose';

/** Answers with a signed snapshot. */
export function sendSigned(reply: FastifyReply, signed: string) {
  return reply.type(jose).header('cache-control', 'no-store').send(signed);
}

/** Answers with a snapshot as fast as it is taken. What fails on the way ends the connection: the answer is not whole then. */
export function sendSnapshot(reply: FastifyReply, snapshot: Snapshot) {
  const text = Readable.from(snapshotText(snapshot), { objectMode: false });
  return reply.type('application/json; charset=utf-8').send(text);
}

/** The feed's snapshot as a file that outlives the database. */
export function snapshotRoutes({ sign }: SignedSnapshots) {
  return async (app: App) => {
    app.get(
      '/v1/revocations/snapshot.jws',
      {
        config: { access: 'revocations:read', load: 'page', sends: { type: jose, about: 'A compact JWS' } },
        schema: {
          operationId: 'getSignedRevocationSnapshot',
          summary: 'The snapshot as a JWS that an issuing CA of the account signed: keep it beside the backup',
          tags: ['revocations'],
        },
      },
      async (request, reply) => {
        return sendSigned(reply, await sign(grantee(request).account));
      },
    );
  };
}
