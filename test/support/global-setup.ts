import type { TestProject } from 'vitest/node';
import { findPostgres, startPostgres } from './postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where a database of a name lives, with NAME for it; empty where PostgreSQL is not installed. */
    postgresUrl: string;
  }
}

/** One PostgreSQL server for all suites; each makes databases of its own in it. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | void> {
  if (!findPostgres()) {
    if (process.env['CI'] === 'true') throw new Error('CI must have PostgreSQL: apt-get install postgresql');
    console.log('PostgreSQL is not installed: suites that need it are skipped');
    return project.provide('postgresUrl', '');
  }
  const server = await startPostgres();
  project.provide('postgresUrl', server.url('NAME'));
  return server.stop;
}
