/**
 * NDJSON answers: lines as they are made, with back-pressure. Nothing is made while the client does not read: what is
 * ahead of it is one chunk, and what the socket holds.
 *
 * An answer that has begun can no longer say by its status that it failed, so its last line says how it ended.
 */
import { Readable } from 'node:stream';

import { StreamableFile } from '@nestjs/common';

export const NDJSON_TYPE = 'application/x-ndjson';

/** In place of a line: what has been made so far is sent now. */
export const FLUSH = '';

/** Lines are gathered into chunks of about this size: a system call for each line would cost more than the line. */
const CHUNK_CHARS_MIN = 32 * 1024;

/** @param lines JSON texts, one or several lines at a time, without the last newline; and FLUSH. What it throws cuts the connection. */
export function lineStream(lines: AsyncIterable<string>): StreamableFile {
  return new StreamableFile(Readable.from(chunksOf(lines), { objectMode: false }), { type: NDJSON_TYPE });
}

async function* chunksOf(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  let chunk = '';
  for await (const line of lines) {
    if (line !== FLUSH) chunk += `${line}\n`;
    if (chunk === '' || (line !== FLUSH && chunk.length < CHUNK_CHARS_MIN)) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

/** `items`, of which the first is there already: what fails before it is thrown here, while there is still a status. */
export async function begun<T>(items: AsyncGenerator<T, void>): Promise<AsyncGenerator<T, void>> {
  const first = await items.next();
  return (async function* (): AsyncGenerator<T, void> {
    try {
      if (first.done === true) return;
      yield first.value;
      yield* items;
    } finally {
      await items.return();
    }
  })();
}
