/**
 * The value of a JSON text in which no object has a member twice: readers differ about which one counts.
 * @throws Error
 */
export function parseUnique(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // The text is JSON, so that its structure can be followed by single characters. Arrays have no names.
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') {
      const end = endOfString(text, at);
      if (isName) addName(open.at(-1)!, JSON.parse(text.slice(at, end + 1)) as string);
      isName = false;
      at = end;
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined);
      isName = character === '{';
    } else if (character === '}' || character === ']') {
      open.pop();
      isName = false;
    } else if (character === ',') isName = open.at(-1) !== undefined;
  }
  return value;
}

function addName(names: Set<string>, name: string): void {
  if (names.has(name)) throw new Error(`it has the member ${name} twice`);
  names.add(name);
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
