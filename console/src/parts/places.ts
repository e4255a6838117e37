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
    ],
  },
  {
    title: 'Rules',
    places: [
      { to: '/policies', title: 'Policies', needs: 'policies:read' },
      { to: '/why', title: 'Why?', needs: 'policies:read' },
    ],
  },
];

/** Whether somebody with these permissions has something to see there. */
export const isOpen = ({ needs }: Place, permissions: readonly Permission[]): boolean =>
  needs === undefined || permissions.includes(needs);
