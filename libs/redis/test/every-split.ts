/**
 * Feeds a decoder in every way that matters: whole, byte by byte, and cut in two at each offset. What it answers must
 * not depend on that.
 */
import { isDeepStrictEqual } from 'node:util';

export interface Decoder<T> {
  push(chunk: Buffer): void;
  next(): T | undefined;
}

/** Everything that comes out of `decoder`, up to and including the first final answer. */
export function decodeChunks<T extends { kind: string }>(
  decoder: Decoder<T>,
  chunks: readonly Buffer[],
): T[] {
  const results: T[] = [];
  for (const chunk of chunks) {
    // In memory of its own, as from a socket, with bytes around it that must not be looked at.
    const own = Buffer.concat([Buffer.from('$9\r\n'), chunk, Buffer.from('\r\n*1\r\n')]);
    decoder.push(own.subarray(4, 4 + chunk.length));
    for (let result = decoder.next(); result !== undefined; result = decoder.next()) {
      results.push(result);
      if (result.kind === 'protocol-error' || result.kind === 'cross-protocol') return results;
    }
  }
  return results;
}

/** What `bytes` decodes to. @throws when some way of splitting gives something else. */
export function decodeEverySplit<T extends { kind: string }>(create: () => Decoder<T>, bytes: Buffer): T[] {
  const whole = decodeChunks(create(), [bytes]);
  const check = (how: string, chunks: Buffer[]) => {
    const results = decodeChunks(create(), chunks);
    if (isDeepStrictEqual(results, whole)) return;
    throw new Error(`${how}: ${JSON.stringify(results)} instead of ${JSON.stringify(whole)}`);
  };
  check('byte by byte', cut(bytes, 1));
  for (let at = 1; at < bytes.length; at++)
    check(`split at ${at}`, [bytes.subarray(0, at), bytes.subarray(at)]);
  return whole;
}

/** `bytes` in pieces of `size`. */
export function cut(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return pieces;
}

/** A request as clients send it. */
export function encodeRequest(args: readonly (Buffer | string)[]): Buffer {
  const parts = args.flatMap((arg) => [
    Buffer.from(`$${Buffer.byteLength(arg)}\r\n`),
    Buffer.from(arg),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}
