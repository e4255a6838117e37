import type { TestProject } from 'vitest/node';
import { findPostgres, startPostgres } from './postgres.js';
import { makeEmbeddedTemplate, makePostgresTemplate } from './templates.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where a database of a name lives, with NAME for it; empty where PostgreSQL is not installed. */
    postgresUrl: string;
    /** The folder of an embedded database to copy. */
    embeddedTemplate: string;
  }
}

/** One PostgreSQL server for all suites, and one database of each kind that each suite copies. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, template] = await Promise.all([provideServer(project), makeEmbeddedTemplate()]);
  project.provide('embeddedTemplate', template.folder);
  return async () => {
    template.remove();
    await postgres?.stop();
  };
}

async function provideServer(project: TestProject) {
  if (!findPostgres()) {
    if (process.env['CI'] === 'true') throw new Error('CI must have PostgreSQL: apt-get install postgresql');
    console.log('PostgreSQL is not installed: suites that need it are skipped');
    project.provide('postgresUrl', '');
    return undefined;
  }
  const server = await startPostgres();
  await makePostgresTemplate(server);
  project.provide('postgresUrl', server.url('NAME'));
  return server;
}
