/**
 * The running hash of a log: what makes "the same entry at the same place" checkable.
 *
 * An entry's bytes include the chain of the entry before it, and its own chain is the hash of its bytes. Equal chains
 * at one sequence number therefore mean equal logs up to there, but for accidents of one in 2^64. It guards against
 * faults and programming errors, not against an adversary. (What a sole replica wrote without a log counts by place and
 * time alone: see chainOfPlace.)
 *
 * The hash is MurmurHash3_x86_128 (Austin Appleby, public domain) with seed 0, of which the first 64 bits are kept:
 * 32-bit multiplications are what a JavaScript engine does fast, and the 128-bit form has four lanes to keep it busy.
 * Persisted and on the wire, never change.
 */
export interface Chain {
  readonly hi: number;
  readonly lo: number;
}

/** The chain of an empty log. */
export const CHAIN_ZERO: Chain = { hi: 0, lo: 0 };

export function sameChain(a: Chain, b: Chain): boolean {
  return a.hi === b.hi && a.lo === b.lo;
}

export function chainText({ hi, lo }: Chain): string {
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

export function chainOf(bytes: Uint8Array): Chain {
  const { length } = bytes;
  const words = new DataView(bytes.buffer, bytes.byteOffset, length);
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  let at = 0;
  for (; at + 16 <= length; at += 16) {
    h1 ^= mix(words.getUint32(at, true), C1, 15, C2);
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= mix(words.getUint32(at + 4, true), C2, 16, C3);
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= mix(words.getUint32(at + 8, true), C3, 17, C4);
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= mix(words.getUint32(at + 12, true), C4, 18, C1);
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  if (at < length) {
    h4 ^= mix(tail(bytes, at + 12), C4, 18, C1);
    h3 ^= mix(tail(bytes, at + 8), C3, 17, C4);
    h2 ^= mix(tail(bytes, at + 4), C2, 16, C3);
    h1 ^= mix(tail(bytes, at), C1, 15, C2);
  }
  h1 = (h1 ^ length) | 0;
  h2 = (h2 ^ length) | 0;
  h3 = (h3 ^ length) | 0;
  h4 = (h4 ^ length) | 0;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finish(h1);
  h2 = finish(h2);
  h3 = finish(h3);
  h4 = finish(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  return { hi: h1 >>> 0, lo: (h2 + h1) >>> 0 };
}

/** What an entry's place in its log is, and its time. */
export interface Place {
  readonly ver: { readonly gen: number; readonly epoch: number };
  readonly seq: number;
  readonly timestampMs: number;
  readonly previous: Chain;
}

/**
 * For an entry that has no bytes: of its place and time instead. Each half is MurmurHash3_x86_32, over the same words
 * from another seed.
 */
export function chainOfPlace(place: Place): Chain {
  return { hi: placeHash(0, place), lo: placeHash(1, place) };
}

function placeHash(seed: number, { ver, seq, timestampMs, previous }: Place): number {
  let h = addNumber(addNumber(seed, ver.gen), ver.epoch);
  h = addNumber(addNumber(h, seq), timestampMs);
  return finish(addWord(addWord(h, previous.hi), previous.lo) ^ PLACE_BYTES) >>> 0;
}

const PLACE_BYTES = 40;
const TWO_32 = 4_294_967_296;

/** A whole number from 0 to 2^53 - 1, as two words. */
function addNumber(h: number, value: number): number {
  return addWord(addWord(h, (value / TWO_32) | 0), value | 0);
}

function addWord(h: number, word: number): number {
  return (Math.imul(rotate(h ^ mix(word, 0xcc9e2d51, 15, 0x1b873593), 13), 5) + 0xe6546b64) | 0;
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function mix(k: number, a: number, by: number, b: number): number {
  return Math.imul(rotate(Math.imul(k, a), by), b);
}

/** Up to four bytes, little endian; bytes past the end are 0, which `mix` turns into 0. */
function tail(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

function finish(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
