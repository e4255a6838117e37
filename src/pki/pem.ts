const lineOctets = 48;
const lineLetters = 64;
const sliceLines = 512;

/**
 * DER as PEM (RFC 7468 §2), 64 columns, ending in a newline. It yields now and then, so that a list of megabytes
 * can be written in slices.
 */
export function* encodeLongPem(label: 'X509 CRL', bytes: Buffer): Generator<void, Buffer> {
  const [head, tail] = [`-----BEGIN ${label}-----\n`, `-----END ${label}-----\n`];
  const letters = Math.ceil(bytes.length / 3) * 4;
  const out = Buffer.allocUnsafe(head.length + letters + Math.ceil(bytes.length / lineOctets) + tail.length);
  let at = out.write(head, 0, 'latin1');
  for (let from = 0; from < bytes.length; from += sliceLines * lineOctets) {
    const text = bytes.toString('base64', from, Math.min(from + sliceLines * lineOctets, bytes.length));
    for (let line = 0; line < text.length; line += lineLetters) {
      at += out.write(text.slice(line, line + lineLetters), at, 'latin1');
      out[at++] = 0x0a;
    }
    yield;
  }
  out.write(tail, at, 'latin1');
  return out;
}
