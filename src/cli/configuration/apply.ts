import { plain } from '../output/cells.js';
import { exitCodes, OperatorError } from '../session/errors.js';
import type { Session } from '../session/session.js';
import { difference } from './difference.js';
import { readDocuments, type Document } from './files.js';
import type { Kind } from './kinds.js';

/** What `policies apply` and `import` are told. */
export type ApplyFlags = { dryRun?: true; yes?: true };

/** Files of one kind: a folder, or one file. */
export type Place = { kind: Kind; path: string };

type Wanted = { kind: Kind; name: string; document: Document };
type Change = Wanted & { change: 'create' | 'update'; lines: string[]; present: Document | undefined };
type Made = { kind: Kind; name: string; token: string };

/**
 * Makes what the server has that of files: shows the difference, asks, then changes. What is the same already is not
 * touched, so a second run changes nothing. What no file names stays. With --dry-run it exits with 1 on a difference.
 */
export async function applyFiles(session: Session, places: Place[], { dryRun, yes }: ApplyFlags): Promise<void> {
  const wanted: Wanted[] = [];
  for (const place of places) wanted.push(...(await readWanted(place)));
  const changes = await changesOf(session, wanted);
  const isForPeople = session.out.format === 'table';
  if (isForPeople) await session.out.write(inWords(changes, wanted.length));
  if (changes.length > 0 && dryRun) process.exitCode = exitCodes.difference;
  const made = changes.length > 0 && !dryRun ? await carryOut(session, changes, yes) : [];
  if (isForPeople) return session.out.write(made.map(tokenLine).join(''));
  const { writeOne } = await import('../output/output.js');
  const tokenOf = ({ kind, name }: Change) => made.find((each) => each.kind === kind && each.name === name)?.token;
  const shown = changes.map((each) => {
    const { kind, name, change, lines } = each;
    const token = tokenOf(each);
    return { kind: kind.one, name, change, lines, ...(token === undefined ? {} : { token }) };
  });
  await writeOne(session.out, { changed: !dryRun && changes.length > 0, changes: shown });
}

/** The documents of one kind in files. @throws OperatorError that names the file */
export async function readWanted({ kind, path }: Place): Promise<Wanted[]> {
  const found = new Map<string, Wanted>();
  for (const { file, document } of await readDocuments(path)) {
    const name = kind.nameOf(document, file);
    if (name === undefined) throw new OperatorError(`${file} is no ${kind.one}: it needs ${kind.needs}`);
    if (found.has(name))
      throw new OperatorError(`${file}: another file has the ${kind.one} ${name} too; remove one of them`);
    found.set(name, { kind, name, document });
  }
  return [...found.values()];
}

async function changesOf({ client }: Session, wanted: Wanted[]): Promise<Change[]> {
  const looks = new Map<Kind, Awaited<ReturnType<Kind['look']>>>();
  const changes: Change[] = [];
  for (const each of wanted) {
    const { kind, document } = each;
    const look = looks.get(kind) ?? (await kind.look(client));
    looks.set(kind, look);
    const present = await look(document);
    if (present && kind.isSame(present, document)) continue;
    // What a file does not name stays, where that is so, and is no difference.
    const compared = present && kind.folder === 'segments' ? pickOf(present, document) : present;
    changes.push({ ...each, change: present ? 'update' : 'create', lines: difference(compared, document), present });
  }
  return changes;
}

const pickOf = (document: Document, like: Document): Document =>
  Object.fromEntries(Object.entries(document).filter(([name]) => Object.hasOwn(like, name)));

async function carryOut({ client }: Session, changes: Change[], yes: true | undefined): Promise<Made[]> {
  const { typeAgain } = await import('../session/ask.js');
  await typeAgain(`This changes ${countOf(changes)}.`, 'yes', yes);
  const made: Made[] = [];
  for (const [n, { kind, name, change, document, present }] of changes.entries()) {
    process.stderr.write(`${n + 1}/${changes.length} ${kind.one} ${plain(name)} ... `);
    const token = present ? await kind.update(client, document, present) : await kind.create(client, document);
    if (token !== undefined) made.push({ kind, name, token });
    process.stderr.write(`${change}d\n`);
  }
  return made;
}

function countOf(changes: Change[]): string {
  const kinds = [...new Set(changes.map(({ kind }) => kind))];
  const counts = kinds.map((kind) => {
    const { length } = changes.filter((each) => each.kind === kind);
    return `${length} ${length === 1 ? kind.one : kind.several}`;
  });
  return counts.join(' and ');
}

const tokenLine = ({ name, token }: Made): string => `The token of ${plain(name)}, shown this once: ${plain(token)}\n`;

function inWords(changes: Change[], count: number): string {
  if (changes.length === 0) return `The server has all that is in ${count} files: nothing to change.\n`;
  const lines = changes.flatMap(({ kind, name, change, lines: each }) => [
    `${change} ${kind.one} ${name}`,
    ...each.map((line) => `  ${line}`),
  ]);
  return `${lines.map(plain).join('\n')}\n`;
}
