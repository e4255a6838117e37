import { expect } from 'vitest';
import type { DatabaseKind } from '../databases/databases.js';
import { startServer, type TestServer } from '../server.js';
import { openAcme, type AcmeAnswer, type AcmeClient, type Eab } from './client.js';

/** What the creation of an enrollment answers. */
export type AcmeEnrollment = { id: string; token: string; eab: Eab; acmeDirectory: string };

export type AcmeStage = Awaited<ReturnType<typeof openAcmeStage>>;

/** A server, and a client of ACME for it. */
export async function openAcmeStage(kind: DatabaseKind, settings: Record<string, string> = {}) {
  const server: TestServer = await startServer(kind, settings);
  const acme: AcmeClient = await openAcme(server.url);
  const { owner } = server;
  return {
    server,
    acme,

    /** An enrollment for any name. */
    async enroll(more: object = {}): Promise<AcmeEnrollment> {
      const { status, body, text } = await owner.post('/v1/enrollments', {
        thingNamePattern: '*',
        maxUses: 100,
        ...more,
      });
      expect(status, text).toBe(201);
      return body as AcmeEnrollment;
    },

    thing: async (name: string) => (await owner.get(`/v1/things/${name}`)).body,
  };
}

/** What an answer of ACME is when it refuses. */
export function refused({ status, body, headers }: AcmeAnswer): [number, string] {
  expect(headers.get('content-type')).toContain('application/problem+json');
  expect(body.detail).toMatch(/\S/);
  expect(body.status).toBe(status);
  const type = String(body.type);
  expect(type).toMatch(/^urn:ietf:params:acme:error:/);
  return [status, type.slice('urn:ietf:params:acme:error:'.length)];
}
