import type { Client } from '../../client/client.js';
import { ProblemError } from '../../client/client.js';
import { plain } from './cells.js';
import { exitCodes, OperatorError } from './errors.js';
import { difference, isSame, readPolicies, type PolicyFile } from './policy-folder.js';
import type { Session } from './session.js';

/** What `policies apply` is told. */
export type ApplyFlags = { file: string; dryRun?: true; yes?: true };

type Change = { name: string; change: 'create' | 'update'; document: PolicyFile; lines: string[] };

/**
 * Makes the server's policies those of a folder: shows the difference, asks, then changes. What is the same already is not
 * touched, so a second run changes nothing. Policies that no file names stay. With --dry-run it exits with 1 on a difference.
 */
export async function applyPolicies(session: Session, { file, dryRun, yes }: ApplyFlags): Promise<void> {
  const wanted = await readPolicies(file);
  const changes: Change[] = [];
  for (const document of wanted.values()) {
    const change = await changeOf(session.client, document);
    if (change) changes.push(change);
  }
  const isForPeople = session.out.format === 'table';
  if (isForPeople) await session.out.write(inWords(changes, wanted.size));
  if (changes.length > 0 && dryRun) process.exitCode = exitCodes.difference;
  if (changes.length > 0 && !dryRun) await carryOut(session, changes, yes);
  if (isForPeople) return;
  const { writeOne } = await import('./output.js');
  const named = changes.map(({ name, change, lines }) => ({ name, change, lines }));
  await writeOne(session.out, { changed: !dryRun && changes.length > 0, changes: named });
}

async function carryOut({ client }: Session, changes: Change[], yes: true | undefined): Promise<void> {
  const { typeAgain } = await import('./ask.js');
  await typeAgain(`This changes ${changes.length} ${changes.length === 1 ? 'policy' : 'policies'}.`, 'yes', yes);
  for (const [n, { name, change, document }] of changes.entries()) {
    process.stderr.write(`${n + 1}/${changes.length} ${plain(name)} ... `);
    if (change === 'create') await client.post('/v1/policies', { body: document as never });
    else await replace(client, document);
    process.stderr.write('done\n');
  }
}

async function replace(client: Client, { name, ...document }: PolicyFile): Promise<void> {
  const saved = await client.post('/v1/policies/{name}/versions', { path: { name }, body: document });
  if (saved.activeVersion === saved.version) return;
  await client.post('/v1/policies/{name}/activate', { path: { name }, body: { version: saved.version } });
}

async function changeOf(client: Client, document: PolicyFile): Promise<Change | undefined> {
  const present = await documentOf(client, document.name);
  if (present && isSame(present, document)) return undefined;
  const lines = difference(present, document);
  return { name: document.name, change: present ? 'update' : 'create', document, lines };
}

async function documentOf(client: Client, name: string): Promise<PolicyFile | undefined> {
  try {
    return (await client.get('/v1/policies/{name}', { path: { name } })).document as PolicyFile;
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'not-found') return undefined;
    if (error instanceof ProblemError && error.status === 400)
      throw new OperatorError(`a policy cannot be named ${plain(name)}: correct the name in its file`);
    throw error;
  }
}

function inWords(changes: Change[], count: number): string {
  if (changes.length === 0) return `The ${count} policies of the folder are on the server: nothing to change.\n`;
  const lines = changes.flatMap(({ name, change, lines: each }) => [
    `${change} ${name}`,
    ...each.map((line) => `  ${line}`),
  ]);
  return `${lines.map(plain).join('\n')}\n`;
}
