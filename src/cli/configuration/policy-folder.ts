import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { OperatorError } from './errors.js';

/** A policy document as files hold it. */
export type PolicyFile = { name: string; statements: unknown[]; [member: string]: unknown };

const mostOctets = 2 * 1024 * 1024;
const mostFiles = 10_000;
const endings = /\.(json|ya?ml)$/;

/** The policies of a folder, by name: one in each file. @throws OperatorError that names the file */
export async function readPolicies(folder: string): Promise<Map<string, PolicyFile>> {
  const found = new Map<string, PolicyFile>();
  for (const file of filesOf(folder)) {
    const document = (await readDocument(file)) as Partial<PolicyFile> | null;
    if (typeof document?.name !== 'string' || !Array.isArray(document.statements))
      throw new OperatorError(`${file} is no policy: it needs name and statements, see docs/policies.md`);
    if (found.has(document.name))
      throw new OperatorError(`${file}: another file has the policy ${document.name} too; remove one of them`);
    found.set(document.name, document as PolicyFile);
  }
  return found;
}

function filesOf(folder: string): string[] {
  try {
    if (!statSync(folder).isDirectory()) return [folder];
    const names = readdirSync(folder).filter((name) => endings.test(name));
    if (names.length > mostFiles) throw new Error(`it has more than ${mostFiles} files`);
    return names.sort().map((name) => join(folder, name));
  } catch (error) {
    throw new OperatorError(`${folder} cannot be read (${(error as Error).message}): name a folder of policies`);
  }
}

/** What a JSON or YAML file holds. @throws OperatorError */
export async function readDocument(file: string): Promise<unknown> {
  try {
    if (statSync(file).size > mostOctets) throw new Error('it has more than 2 MiB');
    const text = readFileSync(file, 'utf8');
    return file.endsWith('.json') ? JSON.parse(text) : (await import('yaml')).parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new OperatorError(`${file} cannot be read (${(error as Error).message.split('\n')[0]}): correct the file`);
  }
}

/** The same document, however its members are ordered. */
export const isSame = (one: unknown, other: unknown): boolean => isDeepStrictEqual(one, other);

/** The lines that differ between two documents, marked with - and +, statement by statement. */
export function difference(before: PolicyFile | undefined, after: PolicyFile): string[] {
  const old = new Map((before?.statements ?? []).map((each, n) => [keyOf(each, n), each]));
  const next = new Map(after.statements.map((each, n) => [keyOf(each, n), each]));
  const gone = [...old].filter(([key, each]) => !isSame(each, next.get(key)));
  const come = [...next].filter(([key, each]) => !isSame(each, old.get(key)));
  const { dataSensitivity: was } = before ?? {};
  const { dataSensitivity: is } = after;
  return [
    ...(was === is ? [] : [`- dataSensitivity: ${JSON.stringify(was)}`, `+ dataSensitivity: ${JSON.stringify(is)}`]),
    ...gone.map(([, each]) => `- ${JSON.stringify(each)}`),
    ...come.map(([, each]) => `+ ${JSON.stringify(each)}`),
  ];
}

function keyOf(statement: unknown, n: number): string {
  const { id } = (statement ?? {}) as { id?: unknown };
  return typeof id === 'string' ? id : `#${n}`;
}
