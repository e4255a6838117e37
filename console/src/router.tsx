import { createRootRoute, createRoute, createRouter, Outlet, redirect } from '@tanstack/react-router';
import { isSignedOut } from './api.js';
import { CommandLinePage, readCommandLineSearch } from './pages/command-line.js';
import { MePage } from './pages/me.js';
import { OverviewPage } from './pages/overview.js';
import { SignInPage } from './pages/sign-in.js';
import { ThingPage } from './pages/thing.js';
import { readThingSearch, ThingsPage } from './pages/things.js';
import { WaitingPage } from './pages/waiting.js';
import { WelcomePage } from './pages/welcome.js';
import { NotFound, PageFailure } from './parts/problem.js';
import { Shell } from './parts/shell.js';
import { meQuery, queryClient } from './queries.js';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: PageFailure });

const welcome = createRoute({ getParentRoute: () => root, path: '/welcome', component: WelcomePage });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: ({ next }: Record<string, unknown>): { next?: string } =>
    typeof next === 'string' && /^\/(?![/\\])/.test(next) ? { next } : {},
  component: SignInPage,
});

const shell = createRoute({
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

const overview = createRoute({ getParentRoute: () => shell, path: '/', component: OverviewPage });
const things = createRoute({
  getParentRoute: () => shell,
  path: '/things',
  validateSearch: readThingSearch,
  component: ThingsPage,
});
const thing = createRoute({ getParentRoute: () => shell, path: '/things/$name', component: ThingPage });
const waiting = createRoute({ getParentRoute: () => shell, path: '/waiting', component: WaitingPage });
const commandLine = createRoute({
  getParentRoute: () => shell,
  path: '/command-line',
  validateSearch: readCommandLineSearch,
  component: CommandLinePage,
});
const me = createRoute({ getParentRoute: () => shell, path: '/me', component: MePage });

/** The pages, below /console. */
export const router = createRouter({
  routeTree: root.addChildren([
    welcome,
    signIn,
    shell.addChildren([overview, things, thing, waiting, commandLine, me]),
  ]),
  basepath: '/console',
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
