/**
 * The canonical workload, which every row uses unless its title says otherwise, and the named requests built on it.
 *
 * 100,000 keys of 14 bytes, values of 100 bytes, keys drawn uniformly, 64 keep-alive connections with one request in
 * flight on each. Every key exists before anything is measured, so a get always finds and a put always replaces.
 *
 * What would make it unfair: fewer keys (everything in one memory table), keys drawn in order (LevelDB's best case),
 * another sequence of keys for another contestant. So the draw is seeded, and starts over for every round.
 */
import { Buffer } from 'node:buffer';

export const KEYS = 100_000;
export const VALUE = 'v'.repeat(100);
export const CONNECTIONS = 64;

/** All keys have the same length, so that all requests have. */
export function keyAt(index) {
  return `bench-${index.toString().padStart(8, '0')}`;
}

/**
 * The requests of one kind, one for each key, as they go over the wire. Made beforehand, so that a load generator only
 * has to write them.
 */
export function requestsOf(kind, keys) {
  return Array.from({ length: keys }, (_unused, index) => REQUESTS[kind](keyAt(index), index));
}

const REQUESTS = {
  get: (key) => head(`GET /get/${key}`),
  put: (key) => `${head(`PUT /put/${key}`, `Content-Length: ${VALUE.length}\r\n`)}${VALUE}`,
  // What stands in braces decides on the slot, so these are all of one partition.
  'put-one': (key) => `${head(`PUT /put/%7Bone%7D${key}`, `Content-Length: ${VALUE.length}\r\n`)}${VALUE}`,
  'put-url': (key) => head(`PUT /put/${key}/${VALUE}`),
  txn: (key) =>
    json('/v1/txn', { compare: [{ key, ifMatch: '*' }], then: [{ op: 'put', key, value: VALUE }] }),
  batch: (_key, index) =>
    json('/v1/batch', { operations: batchAt(index).map((key) => ({ op: 'put', key, value: VALUE })) }),
  list: (key) => head(`GET /v1/kv?start=${key}&limit=${PAGE_KEYS}`),
  'long-list': () => head(`GET /v1/kv?limit=${LONG_LIST_KEYS}`),
  // etcd's JSON gateway, whose byte strings are base64.
  'etcd-put': (key) => json('/v3/kv/put', { key: base64(key), value: base64(VALUE) }),
  'etcd-get': (key) => json('/v3/kv/range', { key: base64(key) }),
  'etcd-list': (key) => json('/v3/kv/range', { key: base64(key), range_end: ETCD_NO_END, limit: PAGE_KEYS }),
  'etcd-txn': (key) =>
    json('/v3/kv/txn', {
      compare: [{ key: base64(key), target: 'VERSION', result: 'GREATER', version: 0 }],
      success: [etcdPut(key)],
    }),
  'etcd-batch': (_key, index) => json('/v3/kv/txn', { success: batchAt(index).map(etcdPut) }),
  'etcd-long-list': () =>
    json('/v3/kv/range', { key: ETCD_NO_END, range_end: ETCD_NO_END, limit: LONG_LIST_KEYS }),
};

/** Keys of one page of a listing. */
const PAGE_KEYS = 100;
/** As many as one page may have. */
const LONG_LIST_KEYS = 10_000;
/** etcd takes up to 128 operations in one transaction, in which no key may be twice. */
const BATCH_KEYS = 100;
/** As the end of a range: one NUL, for every key from the start on. As the start: the first key. */
const ETCD_NO_END = base64('\0');

/** Different keys from everywhere: the strides are prime, and the number of keys no multiple of them. */
function batchAt(index) {
  return Array.from({ length: BATCH_KEYS }, (_unused, n) => keyAt((index * 7919 + n * 104_729) % KEYS));
}

function etcdPut(key) {
  return { requestPut: { key: base64(key), value: base64(VALUE) } };
}

function json(path, value) {
  const body = JSON.stringify(value);
  return `${head(`POST ${path}`, `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`)}${body}`;
}

function base64(text) {
  return Buffer.from(text).toString('base64');
}

function head(start, headers = '') {
  return `${start} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`;
}

/** Draws from 0 to `count` - 1, uniformly and always in the same sequence: mulberry32, a public-domain generator. */
export function seededDraw(count) {
  let state = 42;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * count);
  };
}

/** The keys and the value as rows for a store. */
export function storedRows(keys) {
  return {
    keys: Array.from({ length: keys }, (_unused, index) => Buffer.from(keyAt(index))),
    value: Buffer.from(VALUE),
  };
}
