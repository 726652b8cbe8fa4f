/**
 * Every bound of the Redis protocol codec, with its reason and what happens one past it.
 *
 * What a peer announces is checked before anything is allocated for it; what it has sent is the only thing that
 * costs memory (see input-buffer.ts).
 */
import { invariant } from '@diststore/base';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bounds of one connection's requests. One past any of them is a protocol error, and the connection closes. */
export interface RequestLimits {
  /** Whether the client has passed authentication; chooses between the two error texts that Redis has. */
  readonly authenticated: boolean;
  /** Bytes of one argument. */
  readonly bulkBytesMax: number;
  /** Arguments of one command, its name included. */
  readonly argCountMax: number;
  /** Bytes of an inline command, and of a `*` or `$` line, without the line end. */
  readonly lineBytesMax: number;
  /** What one command may hold in memory: the bytes of its arguments, and ARGUMENT_OVERHEAD_BYTES for each. */
  readonly requestBytesMax: number;
}

/** The numbers above which even Redis calls a length invalid, whoever asks. */
export const PROTOCOL_ARG_COUNT_MAX = 2 ** 31 - 1;
export const PROTOCOL_BULK_BYTES_MAX = 512 * MIB;

/** About what Node keeps beside the bytes of a Buffer that is a view: 106 bytes of heap, measured on Node 20. */
export const ARGUMENT_OVERHEAD_BYTES = 112;

export const DEFAULT_REQUEST_LIMITS: RequestLimits = {
  authenticated: true,
  // The default maxValueBytes is 16 MiB. The margin lets a value that is slightly too large reach the command, which
  // answers with an error that names the limit, and keeps the connection.
  bulkBytesMax: 16 * MIB + 64 * KIB,
  // Redis's own limit until 6.2. (Arguments so many must be small to fit requestBytesMax.)
  argCountMax: KIB * KIB,
  // Redis's PROTO_INLINE_MAX_SIZE.
  lineBytesMax: 64 * KIB,
  // An MSET of three of the largest values, or of a quarter of a million pairs of ten-byte keys and values.
  requestBytesMax: 64 * MIB,
};

/** Before authentication, as in Redis: enough for HELLO with AUTH and SETNAME, and no more. */
export const UNAUTHENTICATED_REQUEST_LIMITS: RequestLimits = {
  authenticated: false,
  bulkBytesMax: 16 * KIB,
  argCountMax: 10,
  lineBytesMax: 64 * KIB,
  requestBytesMax: 256 * KIB,
};

/** Bounds of one reply, as a client reads it. One past any of them is a protocol error. */
export interface ReplyLimits {
  /** Bytes of one string. */
  readonly bulkBytesMax: number;
  /** Bytes of a line without its end: numbers, simple strings, errors. */
  readonly lineBytesMax: number;
  /** Aggregates inside aggregates. The decoder keeps them in a list, so this bounds memory, not the call stack. */
  readonly depthMax: number;
  /** Values in one reply, at every depth together. */
  readonly valueCountMax: number;
  /** Bytes of one whole reply as it stands on the wire. */
  readonly replyBytesMax: number;
}

export const DEFAULT_REPLY_LIMITS: ReplyLimits = {
  bulkBytesMax: PROTOCOL_BULK_BYTES_MAX,
  lineBytesMax: 64 * KIB,
  // COMMAND DOCS, the deepest reply of Redis, stays below 20.
  depthMax: 128,
  // KEYS on four million keys.
  valueCountMax: 4 * MIB,
  replyBytesMax: 1024 * MIB,
};

/** Longest glob pattern of KEYS, SCAN and their like; a key has at most 1,024 bytes. Longer: an error reply. */
export const GLOB_PATTERN_BYTES_MAX = 64 * KIB;

/** Most keys that one SCAN call looks at, whatever its COUNT: a call must not hold up the other connections. */
export const SCAN_COUNT_MAX = 10_000;

/** Last bit that GETBIT, SETBIT and BITFIELD may name, as in Redis: 512 MiB of bits. */
export const BIT_OFFSET_MAX = 2 ** 32 - 1;

/** Cells of the table that LCS computes in one go: two values of 4 KiB, some 50 ms. Redis stops at eight times this. */
export const LCS_CELLS_MAX = 16 * MIB;

/** Latest expiry, in Unix milliseconds: beyond it JavaScript's numbers are not exact. In the year 287396. Later: this. */
export const EXPIRY_MS_MAX = Number.MAX_SAFE_INTEGER;

/** Redis quotes this many bytes of an unknown command's name, and about as many of its arguments. */
export const ERROR_PREVIEW_BYTES_MAX = 128;

/**
 * Checks the relations between limits.
 * @throws InvariantError when a configuration could never accept what it promises.
 */
export function checkRequestLimits(limits: RequestLimits): RequestLimits {
  invariant(
    limits.argCountMax >= 1 && limits.argCountMax <= PROTOCOL_ARG_COUNT_MAX,
    'argCountMax is in the protocol range',
    { limits },
  );
  invariant(
    limits.bulkBytesMax >= 1 && limits.bulkBytesMax <= PROTOCOL_BULK_BYTES_MAX,
    'bulkBytesMax is in the protocol range',
    { limits },
  );
  invariant(
    limits.requestBytesMax >= limits.bulkBytesMax + KIB,
    'a request of one largest argument fits requestBytesMax',
    { limits },
  );
  invariant(limits.lineBytesMax >= 32, 'lineBytesMax holds any 64-bit number', { limits });
  return limits;
}
