import { basename, dirname, resolve } from 'node:path';
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { EdgeConfigError, readSettings, readTextFile, spell, type EdgeConfig, type PlaceOf } from './config.js';

const mostFindings = 20;
const mostBytes = 1024 * 1024;

/** Reads the settings of an edge. Paths in them start at the folder of the file. @throws EdgeConfigError */
export function loadEdgeConfig(file: string): EdgeConfig {
  return readEdgeConfig(readTextFile(file, 'the settings'), file);
}

/** Reads the text of a file of settings. @throws EdgeConfigError that names each line that is wrong */
export function readEdgeConfig(text: string, file: string): EdgeConfig {
  const { given, folder, placeOf } = readYaml(text, file);
  return readSettings(given, folder, placeOf);
}

/** Settings as they stand in a file, the folder that its paths start at, and where each member is. */
export type Written = { given: unknown; folder: string; placeOf: PlaceOf };

/** Reads YAML. @throws EdgeConfigError that names each line that is wrong */
export function readYaml(text: string, file: string): Written {
  if (text.length > mostBytes) throw new EdgeConfigError(`${file} is larger than 1 MiB`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number): string => `${basename(file)}:${lines.linePos(offset).line}`;
  const broken = [...document.errors, ...document.warnings].slice(0, mostFindings);
  if (broken.length > 0)
    throw new EdgeConfigError(
      broken.map(({ pos, message }) => `${lineAt(pos[0])}: ${message.split('\n', 1)[0]!}`).join('\n'),
    );
  return {
    given: plainOf(document, file),
    folder: dirname(resolve(file)),
    placeOf: (path) => [lineAt(offsetOf(document, path)), ...(path.length > 0 ? [spell(path)] : [])].join(': '),
  };
}

/** @throws EdgeConfigError for an alias without its anchor, or for too many */
function plainOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 10 });
  } catch (error) {
    throw new EdgeConfigError(`${basename(file)}:1: ${(error as Error).message}`);
  }
}

/** Where in the text a member stands; for one that is missing, where its parent does. */
function offsetOf(document: Document.Parsed, path: PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((each) => isPair(each) && isScalar(each.key) && each.key.value === part);
      if (!pair) return offset;
      offset = (isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = (isNode(node) ? node.range?.[0] : undefined) ?? offset;
    } else return offset;
  }
  return offset;
}
