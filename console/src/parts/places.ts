import type { LinkProps } from '@tanstack/react-router';
import type { Schemas } from '../api.js';

type Permission = Schemas['Permission'];

/** A page that is always one step away, and the permission without which it has nothing to show. */
export type Place = { to: NonNullable<LinkProps['to']>; title: string; needs?: Permission };

/** The pages, by what somebody comes for. */
export const places: { title?: string; places: Place[] }[] = [
  { places: [{ to: '/', title: 'Overview' }] },
  {
    title: 'Fleet',
    places: [
      { to: '/things', title: 'Things', needs: 'things:read' },
      { to: '/enroll', title: 'Enroll', needs: 'enrollments:read' },
      { to: '/waiting', title: 'Waiting', needs: 'enrollments:read' },
      { to: '/certificates', title: 'Certificates', needs: 'certificates:read' },
      { to: '/groups', title: 'Groups', needs: 'things:read' },
      { to: '/campaigns', title: 'Campaigns', needs: 'things:read' },
      { to: '/segments', title: 'Segments', needs: 'segments:read' },
      { to: '/revoke', title: 'Revoke many', needs: 'certificates:revoke' },
    ],
  },
  {
    title: 'Rules',
    places: [
      { to: '/policies', title: 'Policies', needs: 'policies:read' },
      { to: '/pipelines', title: 'Pipelines', needs: 'pipelines:read' },
      { to: '/command-schemas', title: 'Command schemas', needs: 'things:read' },
      { to: '/why', title: 'Why?', needs: 'policies:read' },
      { to: '/decisions', title: 'Decisions', needs: 'audit:read' },
    ],
  },
  {
    title: 'Enforcement',
    places: [
      { to: '/edges', title: 'Edges', needs: 'revocations:read' },
      { to: '/issuers', title: 'Issuers and lists', needs: 'certificates:read' },
      { to: '/aws', title: 'AWS', needs: 'aws:write' },
    ],
  },
  {
    title: 'Watching',
    places: [
      { to: '/alerts', title: 'Alerts', needs: 'alerts:read' },
      { to: '/webhooks', title: 'Webhooks', needs: 'webhooks:read' },
    ],
  },
  {
    title: 'Account',
    places: [
      { to: '/audit', title: 'Audit', needs: 'audit:read' },
      { to: '/people', title: 'People', needs: 'people:read' },
      { to: '/providers', title: 'Providers', needs: 'people:read' },
      { to: '/keys', title: 'Keys', needs: 'keys:read' },
      { to: '/settings', title: 'Settings' },
    ],
  },
];

/** Whether somebody with these permissions has something to see there. */
export const isOpen = ({ needs }: Place, permissions: readonly Permission[]): boolean =>
  needs === undefined || permissions.includes(needs);
