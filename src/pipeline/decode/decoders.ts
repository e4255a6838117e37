import type { DecoderName } from '../document.js';
import { readCbor } from './cbor.js';
import type { Decode } from './decoded.js';
import { readJson } from './json.js';
import { readSenmlCbor, readSenmlJson } from './senml.js';
import { readSparkplug } from './sparkplug.js';

/** How each form is read. */
export const decoderOf: Record<DecoderName, Decode> = {
  json: (payload) => [{ time: undefined, message: readJson(payload) }],
  cbor: (payload) => [{ time: undefined, message: readCbor(payload) }],
  'senml-json': readSenmlJson,
  'senml-cbor': readSenmlCbor,
  sparkplug: readSparkplug,
};

/** The forms that say themselves when a message is from. */
export const timed: ReadonlySet<DecoderName> = new Set<DecoderName>(['senml-json', 'senml-cbor', 'sparkplug']);
