import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The built pages: where their files are, and the page that all of them start from. */
export type Site = { folder: string; index: string };

const placeholder = 'NONCE';

/** Where `npm run build` leaves them, seen from dist/web/ and from src/web/. */
const places = ['../console/', '../../dist/console/'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** The pages as they were built; undefined where nobody built them. */
export function openSite(): Site | undefined {
  const folder = places.find((place) => existsSync(`${place}index.html`));
  return folder === undefined ? undefined : { folder, index: readFileSync(`${folder}index.html`, 'utf8') };
}

/** The page with the nonce of its answer in it (Content Security Policy 3 §2.3.1). */
export function pageWith(nonce: string, { index }: Site): string {
  return index.replaceAll(`="${placeholder}"`, `="${nonce}"`);
}
