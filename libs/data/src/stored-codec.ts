/** A record inside of a result or a page, in bytes: 8 version  8 expiry  1+n content type  4+n payload. */
import type { PieceReader } from './piece-reader.js';
import type { PieceWriter } from './piece-writer.js';
import type { StoredValue } from './result.js';

export function writeStored(out: PieceWriter, { version, expireAtMs, contentType, payload }: StoredValue): void {
  out.u64(version).u64(expireAtMs).contentType(contentType).block(payload);
}

export function readStored(input: PieceReader): StoredValue {
  const version = input.u64();
  const expireAtMs = input.u64();
  const contentType = input.contentType();
  return { version, expireAtMs, contentType, payload: input.block() };
}
