import { expect } from 'vitest';
import { enroll, provision } from '../fleet.js';
import type { TestServer } from '../server.js';

/** Devices that wait for an operator on a server, and what the operator does about them. */
export function createWaitingRoom(server: () => TestServer) {
  let names = 0;
  const nextName = () => `w-${names++}`;
  return {
    nextName,
    /** An enrollment with approval and a device that waits under it. */
    async wait(changes: object = {}, extra: object = {}) {
      const enrollment = await enroll(server(), { approval: 'required', ...changes });
      const device = await provision(server(), enrollment.token, nextName(), extra);
      expect(device.answer.status, device.answer.text).toBe(202);
      return { ...enrollment, device, waiting: device.answer.body.id as string };
    },
    approve: (id: string, body: object = {}) => server().owner.post(`/v1/waiting/${id}/approve`, body),
    deny: (id: string, reason = 'unknown device') => server().owner.post(`/v1/waiting/${id}/deny`, { reason }),
  };
}
