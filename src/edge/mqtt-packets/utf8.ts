/**
 * True when the octets are text as MQTT has it (5.0 §1.5.4): well-formed UTF-8 without U+0000. Surrogates, overlong forms and
 * what lies beyond U+10FFFF are not well-formed. Looks at each octet once.
 */
export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const octet = bytes[at]!;
    if (octet < 0x80) {
      if (octet === 0) return false;
      at++;
      continue;
    }
    const width = widthAt(bytes, at, end);
    if (width === 0) return false;
    at += width;
  }
  return true;
}

/** The octets of the character at `at`, which is not ASCII; 0 when it is none. */
export function widthAt(bytes: Uint8Array, at: number, end: number): number {
  const octet = bytes[at]!;
  // A lead octet of C0 or C1 would be overlong.
  if (octet < 0xc2 || octet > 0xf4) return 0;
  const width = octet < 0xe0 ? 2 : octet < 0xf0 ? 3 : 4;
  if (at + width > end) return 0;
  const second = bytes[at + 1]!;
  if (second < lowestSecond(octet) || second > highestSecond(octet)) return 0;
  for (let next = at + 2; next < at + width; next++) if ((bytes[next]! & 0xc0) !== 0x80) return 0;
  return width;
}

/** Below it, the form would be overlong. */
function lowestSecond(lead: number): number {
  if (lead === 0xe0) return 0xa0;
  return lead === 0xf0 ? 0x90 : 0x80;
}

/** Above it, the character would be a surrogate, or beyond U+10FFFF. */
function highestSecond(lead: number): number {
  if (lead === 0xed) return 0x9f;
  return lead === 0xf4 ? 0x8f : 0xbf;
}
