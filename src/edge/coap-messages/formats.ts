/** Content-Formats (RFC 7252 §12.3 and its registry) by the media types that MQTT 5 names them with. */
const formats: readonly (readonly [number, string])[] = [
  [0, 'text/plain;charset=utf-8'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [47, 'application/exi'],
  [50, 'application/json'],
  [60, 'application/cbor'],
  [110, 'application/senml+json'],
  [112, 'application/senml+cbor'],
];

const toType = new Map(formats);
const toFormat = new Map(formats.map(([format, mediaType]) => [mediaType, format]));

/** The media type of a Content-Format; undefined for one that is not known here. */
export const mediaTypeOf = (format: number | undefined): string | undefined =>
  format === undefined ? undefined : toType.get(format);

/** The Content-Format of a media type; undefined for one that has none here. */
export const formatOf = (mediaType: string | undefined): number | undefined =>
  mediaType === undefined ? undefined : toFormat.get(mediaType);
