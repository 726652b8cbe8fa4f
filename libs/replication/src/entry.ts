/**
 * One entry of a partition's log: one request, already decided, with its result.
 *
 * An entry holds effects, never conditions: a replica that applies it needs to read nothing. It also carries what the
 * partition looks like afterwards (its number of keys and bytes) and what each operation replaces (the expiry of the
 * old record, whose index row must go), so that secondaries apply blindly and arrive at the very same rows.
 *
 * The version of every key that an entry writes is the entry's sequence number.
 *
 *     offset  size  field                                                     persisted, never renumber
 *     0       1     format, 1
 *     1       1     flags: bit 0, a request follows
 *     2       8     generation  } of the configuration in which it was first written
 *     10      8     epoch       }
 *     18      8     seq
 *     26      8     timestamp, milliseconds since the Unix epoch, never below the entry before
 *     34      8     chain of the entry before
 *     42      8     keys of the partition after this entry
 *     50      8     bytes of their keys and payloads
 *     58      16    request id            } only with flag bit 0
 *     74      8     request fingerprint   }
 *     …       4+n   result of the request
 *     …       4     number of operations, then for each
 *             1       kind: 1 put, 2 delete, 3 clear
 *             8       clear: through which version; otherwise the expiry of the record it replaces, 0 = none
 *             2+n     put, delete: key
 *             8       put: expiry, 0 = never
 *             1+n     put: content type, ASCII; 0xff and nothing = none
 *             4+n     put: payload
 *
 * All numbers are big endian. A stored log row is these bytes and the eight bytes of their own chain.
 */
import { invariant } from '@diststore/base';

import { ByteReader, ByteWriter, Malformed, Slab } from './byte-codec.js';
import { chainOf, chainOfPlace, sameChain } from './chain.js';
import type { Chain } from './chain.js';
import {
  CONTENT_TYPE_BYTES_MAX,
  ENTRY_OPS_MAX,
  KEY_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  RESULT_BYTES_MAX,
} from './limits.js';

/** Serial number of an entry in its partition: dense, from 1. 0 stands for "before the first". */
export type Seq = number;

/** The version of the configuration in which an entry was written. (0, 0) belongs to the empty log. */
export interface EntryVer {
  readonly gen: number;
  readonly epoch: number;
}

export const VER_ZERO: EntryVer = { gen: 0, epoch: 0 };

export function compareEntryVer(a: EntryVer, b: EntryVer): number {
  return a.gen - b.gen || a.epoch - b.epoch;
}

/** Chosen by the client: 16 bytes as 32 hex digits. */
export type RequestId = string;

export interface Request {
  readonly id: RequestId;
  /** A hash of what is asked, so that an id used twice for different things is noticed. 64 bits. */
  readonly fingerprint: Chain;
}

export type Op =
  | {
      readonly type: 'put';
      readonly key: Uint8Array;
      /** Milliseconds since the Unix epoch; 0 = never. */
      readonly expireAtMs: number;
      readonly contentType: string | undefined;
      readonly payload: Uint8Array;
      /** Of the record that this replaces; 0 = none. */
      readonly oldExpireAtMs: number;
    }
  | { readonly type: 'del'; readonly key: Uint8Array; readonly oldExpireAtMs: number }
  /** Every record of version `through` or below is deleted. */
  | { readonly type: 'clear'; readonly through: Seq };

/** How full a partition is: rows not cleared; expired ones count until they are swept. */
export interface Counts {
  readonly keys: number;
  readonly bytes: number;
}

export interface Entry {
  readonly ver: EntryVer;
  readonly seq: Seq;
  readonly timestampMs: number;
  readonly previous: Chain;
  readonly counts: Counts;
  readonly request: Request | undefined;
  readonly result: Uint8Array;
  readonly ops: readonly Op[];
  /** Of the layout above. */
  readonly size: number;
  /** The layout above; empty: it is never to be logged. */
  readonly bytes: Uint8Array;
  /** Of `bytes`, or what takes its place: see `makeUnlogged`. */
  readonly chain: Chain;
  /** What `namesOf` found, kept. */
  names: readonly string[] | undefined;
}

/** What a new entry is made of. */
export type EntryFields = Omit<Entry, 'size' | 'bytes' | 'chain' | 'names'>;

const FORMAT = 1;
const FLAG_REQUEST = 1;
const KIND_PUT = 1;
const KIND_DEL = 2;
const KIND_CLEAR = 3;
const NO_CONTENT_TYPE = 0xff;
const REQUEST_ID_BYTES = 16;
/** The least that an operation takes: kind, number. */
const OP_BYTES_MIN = 9;

const scratch = new ByteWriter(4096);
const slab = new Slab();

const NO_BYTES = new Uint8Array(0);

/** REQUIRES: keys, content types and counts within their bounds; the buffers never change again. */
export function makeEntry(fields: EntryFields): Entry {
  const { ver, seq, timestampMs, previous, request } = fields;
  const out = scratch.reset();
  out.u8(FORMAT).u8(request === undefined ? 0 : FLAG_REQUEST);
  out.u64(ver.gen).u64(ver.epoch).u64(seq).u64(timestampMs).chain(previous);
  out.u64(fields.counts.keys).u64(fields.counts.bytes);
  if (request !== undefined) out.hex(request.id).chain(request.fingerprint);
  out.block(fields.result).u32(fields.ops.length);
  for (const op of fields.ops) writeOp(out, op);
  const bytes = out.finishInto(slab);
  return entryOf(fields, bytes.length, bytes, chainOf(bytes));
}

/**
 * As `makeEntry`, for an entry that goes into the data at once and never into a log or to another replica. Nobody will
 * ever compare its bytes, so they are not made, which is a tenth of what a write costs.
 */
export function makeUnlogged(fields: EntryFields): Entry {
  return entryOf(fields, sizeOf(fields), NO_BYTES, chainOfPlace(fields));
}

/** One place for all of them, so that they are of one shape. */
function entryOf(fields: EntryFields, size: number, bytes: Uint8Array, chain: Chain): Entry {
  const { ver, seq, timestampMs, previous, counts, request, result, ops } = fields;
  const names = undefined;
  return { ver, seq, timestampMs, previous, counts, request, result, ops, size, bytes, chain, names };
}

/** Everything of fixed size but for a request. */
const FIXED_BYTES = 58 + 4 + 4;
const REQUEST_BYTES = 24;

function sizeOf({ request, result, ops }: EntryFields): number {
  let size = FIXED_BYTES + result.length + (request === undefined ? 0 : REQUEST_BYTES);
  for (const op of ops) {
    size += OP_BYTES_MIN;
    if (op.type === 'clear') continue;
    size += 2 + op.key.length;
    if (op.type === 'put') size += 8 + 1 + (op.contentType ?? '').length + 4 + op.payload.length;
  }
  return size;
}

function writeOp(out: ByteWriter, op: Op): void {
  if (op.type === 'clear') {
    out.u8(KIND_CLEAR).u64(op.through);
    return;
  }
  out.u8(op.type === 'put' ? KIND_PUT : KIND_DEL).u64(op.oldExpireAtMs);
  out.u16(op.key.length).raw(op.key);
  if (op.type === 'del') return;
  out.u64(op.expireAtMs);
  if (op.contentType === undefined) out.u8(NO_CONTENT_TYPE);
  else out.ascii(op.contentType);
  out.block(op.payload);
}

/** The entry in `bytes`, with views into them; undefined if they are none. */
export function decodeEntry(bytes: Uint8Array): Entry | undefined {
  try {
    return readEntry(bytes);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** @throws Malformed */
export function readEntry(bytes: Uint8Array): Entry {
  const input = new ByteReader(bytes);
  if (input.u8() !== FORMAT) throw new Malformed('an entry of another format');
  const flags = input.u8();
  if (flags > FLAG_REQUEST) throw new Malformed('unknown flags');
  const ver = { gen: input.u64(), epoch: input.u64() };
  const seq = input.u64();
  if (seq < 1) throw new Malformed('an entry without a number');
  const timestampMs = input.u64();
  const previous = input.chain();
  const counts = { keys: input.u64(), bytes: input.u64() };
  const request =
    flags === FLAG_REQUEST ? { id: input.hex(REQUEST_ID_BYTES), fingerprint: input.chain() } : undefined;
  const result = input.block(RESULT_BYTES_MAX);
  const opCount = input.count(ENTRY_OPS_MAX, OP_BYTES_MIN);
  const ops: Op[] = [];
  for (let i = 0; i < opCount; i += 1) ops.push(readOp(input));
  input.end();
  const fields = { ver, seq, timestampMs, previous, counts, request, result, ops };
  return entryOf(fields, bytes.length, bytes, chainOf(bytes));
}

function readOp(input: ByteReader): Op {
  const kind = input.u8();
  const number = input.u64();
  if (kind === KIND_CLEAR) return { type: 'clear', through: number };
  if (kind !== KIND_PUT && kind !== KIND_DEL) throw new Malformed('an operation of unknown kind');
  const keyBytes = input.u16();
  if (keyBytes < 1 || keyBytes > KEY_BYTES_MAX) throw new Malformed('a key of impossible length');
  const key = input.raw(keyBytes);
  if (kind === KIND_DEL) return { type: 'del', key, oldExpireAtMs: number };
  const expireAtMs = input.u64();
  return {
    type: 'put',
    key,
    expireAtMs,
    contentType: readContentType(input),
    payload: input.block(MESSAGE_BYTES_MAX),
    oldExpireAtMs: number,
  };
}

function readContentType(input: ByteReader): string | undefined {
  const length = input.u8();
  if (length === NO_CONTENT_TYPE) return undefined;
  let text = '';
  for (const byte of input.raw(length)) {
    if (byte > 0x7f) throw new Malformed('a content type is not ASCII');
    text += String.fromCharCode(byte);
  }
  return text;
}

/** What stands in a log row: the entry and its chain, which a start checks. */
export function encodeLogRow(entry: Entry): Uint8Array {
  invariant(entry.bytes.length > 0, 'only what was made for a log is logged', { seq: entry.seq });
  const row = new Uint8Array(entry.bytes.length + 8);
  row.set(entry.bytes);
  const view = new DataView(row.buffer);
  view.setUint32(entry.bytes.length, entry.chain.hi);
  view.setUint32(entry.bytes.length + 4, entry.chain.lo);
  return row;
}

/** The entry in a log row, or undefined if the row is damaged. */
export function decodeLogRow(row: Uint8Array): Entry | undefined {
  if (row.length < 8) return undefined;
  const entry = decodeEntry(row.subarray(0, row.length - 8));
  const view = new DataView(row.buffer, row.byteOffset, row.length);
  const chain = { hi: view.getUint32(row.length - 8), lo: view.getUint32(row.length - 4) };
  return entry !== undefined && sameChain(entry.chain, chain) ? entry : undefined;
}

/** Whether an operation is within the bounds of the layout. */
export function isSoundOp(op: Op): boolean {
  if (op.type === 'clear') return true;
  if (op.key.length < 1 || op.key.length > KEY_BYTES_MAX) return false;
  return op.type === 'del' || (op.contentType ?? '').length < CONTENT_TYPE_BYTES_MAX;
}

const NO_NAME = '';

/** Of the keys of its operations, in their order, by `keyName`; that of a clear is empty. */
export function namesOf(entry: Entry): readonly string[] {
  entry.names ??= entry.ops.map((op) => (op.type === 'clear' ? NO_NAME : keyName(op.key)));
  return entry.names;
}

/** Once nobody asks any more: an entry stays in memory for long after that. */
export function forgetNames(entry: Entry): void {
  entry.names = undefined;
}

/** As many characters as one call may safely make: far below what a stack holds. */
const NAME_PIECE_BYTES = 1024;

/**
 * A key as a string of one character per byte, for maps. In one call, not character by character: a map would have to
 * flatten the rope of pieces before it can hash it.
 */
export function keyName(key: Uint8Array): string {
  if (key.length <= NAME_PIECE_BYTES) return namePiece(key);
  let name = '';
  for (let at = 0; at < key.length; at += NAME_PIECE_BYTES)
    name += namePiece(key.subarray(at, at + NAME_PIECE_BYTES));
  return name;
}

function namePiece(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
