/** Ranges of keys, in the order of their bytes. */

export interface KeyRange {
  /** Included. Empty: from the first key. */
  readonly from: Buffer;
  /** Excluded. Undefined: to the last key. */
  readonly to: Buffer | undefined;
}

/** The keys that begin with `prefix`, from `start` on, up to `end`, behind `behind`; what is undefined limits nothing. */
export function keyRange(limits: {
  readonly prefix: Buffer | undefined;
  readonly start: Buffer | undefined;
  readonly end: Buffer | undefined;
  readonly behind: Buffer | undefined;
}): KeyRange {
  const { prefix, start, end, behind } = limits;
  const from = [prefix, start, behind === undefined ? undefined : after(behind)];
  const to = [prefix === undefined ? undefined : pastPrefix(prefix), end];
  return {
    from: from.reduce<Buffer>((a, b) => (b !== undefined && b.compare(a) > 0 ? b : a), Buffer.alloc(0)),
    to: to.reduce((a, b) => (a === undefined || (b !== undefined && b.compare(a) < 0) ? b : a)),
  };
}

export function isEmpty({ from, to }: KeyRange): boolean {
  return to !== undefined && from.compare(to) >= 0;
}

/** The key that comes right after `key`. */
function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)]);
}

/** The first key behind all that begin with `prefix`; undefined if there is none. */
function pastPrefix(prefix: Buffer): Buffer | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return undefined;
  const past = Buffer.from(prefix.subarray(0, length));
  past.writeUInt8((past[length - 1] ?? 0) + 1, length - 1);
  return past;
}
