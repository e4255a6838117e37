import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../session/errors.js';

/** What a file of configuration holds. */
export type Document = { [member: string]: unknown };
/** A document, with the file that it was read from. */
export type Filed = { file: string; document: Document };

const mostOctets = 2 * 1024 * 1024;
const mostFiles = 10_000;
const endings = /\.(json|ya?ml)$/;
const fileName = /^[\w-]{1,64}$/;

/** The documents of a folder, or of one file, in the order of the names. @throws OperatorError that names the file */
export async function readDocuments(path: string): Promise<Filed[]> {
  const found: Filed[] = [];
  for (const file of filesOf(path)) {
    const document = await readDocument(file);
    if (!isObject(document)) throw new OperatorError(`${file} holds no object: correct the file`);
    found.push({ file, document });
  }
  return found;
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => endings.test(name));
    if (names.length > mostFiles) throw new Error(`it has more than ${mostFiles} files`);
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    throw new OperatorError(`${path} cannot be read (${(error as Error).message}): name a folder or a file`);
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

/** Writes a document into a file of a folder, which is made where it is missing. @throws OperatorError */
export function writeDocument(folder: string, name: string, document: unknown): void {
  // HAZARD: the name becomes a path, and who says that the server is one of Thingward.
  if (!fileName.test(name)) throw new OperatorError('the server gave a name that cannot be a file: check its address');
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(document, undefined, 2)}\n`);
  } catch (error) {
    throw new OperatorError(`${folder} cannot be written (${(error as Error).message}): name another folder`);
  }
}

/** Whether there is something at a path. */
export function isThere(path: string): boolean {
  return existsSync(path);
}

/** Whether a value is an object with members. */
export const isObject = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
