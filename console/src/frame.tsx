import { createRootRoute, createRoute, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { isSignedOut } from './api.js';
import { SignInPage } from './pages/sign-in.js';
import { NotFound, PageFailure } from './parts/problem.js';
import { Shell } from './parts/shell.js';
import { meQuery, queryClient } from './queries.js';

/** What every page is in. */
export const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: PageFailure });

/** Where the first person comes from the link of the first start. */
export const welcome = createRoute({
  getParentRoute: () => root,
  path: '/welcome',
  component: lazyRouteComponent(() => import('./pages/welcome.js'), 'WelcomePage'),
});

/** Where people sign in. */
export const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: ({ next }: Record<string, unknown>): { next?: string } =>
    typeof next === 'string' && /^\/(?![/\\])/.test(next) ? { next } : {},
  component: SignInPage,
});

/** What the pages of those who signed in are in. */
export const shell = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(meQuery);
    } catch (error) {
      if (isSignedOut(error)) throw redirect({ to: '/sign-in', search: { next: location.href } });
      throw error;
    }
  },
  component: Shell,
  errorComponent: PageFailure,
});

/** The parent of such a page. */
export const inShell = () => shell;
