/** The parameters that several routes share, as the OpenAPI document describes them. */
import type { ParameterDescription } from './described.js';

function query(name: string, description: string, example?: string | number): ParameterDescription {
  return { name, in: 'query', description, ...(example === undefined ? {} : { example }) };
}

function header(name: string, description: string, example?: string): ParameterDescription {
  return { name, in: 'header', description, ...(example === undefined ? {} : { example }) };
}

export const KEY: ParameterDescription = {
  name: 'key',
  in: 'path',
  description:
    'The key, percent-encoded UTF-8, 1 to 1024 bytes. Under /v1/kv it may hold slashes as they are.',
  example: 'A',
};

export const KEY64 = query('key64', 'A key of any bytes, as base64url without padding.');

const LIFETIME = [
  query('ttl', 'Seconds that the value lives.', 60),
  query('ttlMs', 'The same in milliseconds. Not both.'),
];

const CONDITIONS = [
  header('If-Match', 'Only if the value has one of these versions, or is there at all: `*`.', '"7"'),
  header('If-None-Match', 'Only if the value has none of these versions, or is absent: `*`.', '*'),
];

export const READ_PARAMETERS = [
  query('consistency', 'linearizable (default), confirmed or stale.'),
  ...CONDITIONS,
  header('Range', 'One range of bytes.', 'bytes=0-99'),
  header('If-Range', 'The range only if the value still has this version; otherwise all of it.'),
  header('Accept', 'application/json, if preferred to the stored type, gives the value in a JSON envelope.'),
];

export const WRITE_HEADERS = [
  ...CONDITIONS,
  header(
    'Idempotency-Key',
    'Printable ASCII, up to 255 characters: the write is done once, however often it is sent.',
  ),
  header('Prefer', '`return=minimal` answers 204 without a receipt.'),
];

export const PUT_PARAMETERS = [...LIFETIME, ...WRITE_HEADERS];

export const RANGE_PARAMETERS = [
  query('prefix', 'Only keys that begin with this. `prefix64`, like the others, takes base64url.'),
  query('start', 'The first key, included.'),
  query('end', 'The key to stop before.'),
  query('cursor', 'Where an earlier page ended.'),
];

export const INCR_BY = query('by', 'A whole number of 64 bits to add. Default 1.', 1);

export const IDEMPOTENCY_KEY = header('Idempotency-Key', 'As for a single write.');

export const VALUE: ParameterDescription = {
  name: 'value',
  in: 'path',
  description: 'The value, percent-encoded UTF-8.',
  example: 'happy',
};

export const ACTION: ParameterDescription = {
  name: 'rest',
  in: 'path',
  description: 'The key, a slash, and incr, append, touch or persist; with key64 the action alone.',
  example: 'counter/incr',
};

export const LIMIT = query('limit', 'Items of one page, 1 to 10000. Default 100.', 100);

export const KEYS_ONLY = query('keysOnly', 'true leaves the values out.');
