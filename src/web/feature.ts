import type { Door } from '../door.js';
import { consoleRoutes } from './routes.js';
import { openSite } from './site.js';

/** The pages for people, at `/console/`. They use the public API alone, so the room has no verbs. */
export function createWeb(): Door<Record<never, never>> {
  return { verbs: {}, routes: [consoleRoutes(openSite())] };
}
