/**
 * Checks LevelDB's table files before LevelDB opens them.
 *
 * Why: every block of a table has a checksum, but LevelDB verifies it only on request, and the binding does not offer
 * that. A flipped bit in a key, in an index or in a filter then makes a key absent or brings an old value back, which
 * a record's own checksum cannot tell; and compaction would copy the damage into a new table with a valid checksum.
 *
 * The table format (LevelDB, doc/table_format.md): blocks without gaps, and a footer of 48 bytes.
 *
 *     data blocks … │ filter block │ metaindex block │ index block │ footer
 *
 *     block:  contents, type (0 plain, 1 Snappy), CRC-32C of both, masked, little endian
 *     handle: where a block is: offset and length of its contents, two varints
 *     footer: handles of metaindex and index, padding to 40 bytes, magic number (u64)
 *
 * Metaindex and index map names and keys to handles. What they name must cover the file from its start to its footer,
 * so that every byte is checked but the footer's padding.
 */
import path from 'node:path';

import { StoreError } from '@diststore/base';

import { ByteCursor } from './byte-cursor.js';
import { crc32c, unmask } from './crc32c.js';
import type { Manifest } from './manifest.js';
import { readIfPresent } from './read-if-present.js';
import { decompress } from './snappy.js';

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
const TRAILER_BYTES = 5;
const PLAIN = 0;

/** An index takes about a hundredth of its table, so this is never reached by a sound one. */
const INDEX_BYTES_MAX = 64 * 1024 * 1024;

interface Handle {
  readonly offset: number;
  readonly length: number;
}

/** The offset of a damaged block, or of the footer, or undefined when the table is sound. `table` is only read. */
export function findTableDamage(table: Buffer): number | undefined {
  const footerAt = table.length - FOOTER_BYTES;
  if (footerAt < 0 || table.readBigUInt64LE(table.length - 8) !== MAGIC) return Math.max(0, footerAt);
  let metaindex: Handle;
  let index: Handle;
  try {
    const footer = new ByteCursor(table.subarray(footerAt));
    metaindex = readHandle(footer);
    index = readHandle(footer);
  } catch {
    return footerAt;
  }
  if (endOf(metaindex) !== index.offset || endOf(index) !== footerAt) return footerAt;
  if (!isSound(table, metaindex)) return metaindex.offset;
  if (!isSound(table, index)) return index.offset;

  let blocks: Handle[];
  try {
    blocks = [...handlesIn(contentsOf(table, index)), ...handlesIn(contentsOf(table, metaindex))];
  } catch {
    return index.offset;
  }
  let checked = 0;
  for (const block of blocks) {
    if (block.offset !== checked || endOf(block) > metaindex.offset || !isSound(table, block)) return checked;
    checked = endOf(block);
  }
  return checked === metaindex.offset ? undefined : checked;
}

/**
 * Checks the live tables of a LevelDB directory, the newest first, as far as `bytesMax` goes.
 * @throws StoreError store-corrupt naming file and offset.
 */
export async function checkTables(database: string, manifest: Manifest, bytesMax: number): Promise<void> {
  let bytesLeft = bytesMax;
  for (const [number, bytes] of [...manifest.tables].sort(([a], [b]) => b - a)) {
    bytesLeft -= bytes;
    if (bytesLeft < 0) return;
    const file = path.join(database, `${String(number).padStart(6, '0')}.ldb`);
    const table = await readIfPresent(file);
    // LevelDB itself refuses a directory that lacks a table.
    if (table === undefined) continue;
    const offset = table.length === bytes ? findTableDamage(table) : Math.min(table.length, bytes);
    if (offset === undefined) continue;
    throw new StoreError(
      'store-corrupt',
      `${file} is damaged at byte ${offset}. Keys stored there could seem absent or have old values. ` +
        'Move the directory aside and restore a backup or a replica.',
      { facts: { file, offset } },
    );
  }
}

function readHandle(cursor: ByteCursor): Handle {
  return { offset: cursor.varint(), length: cursor.varint() };
}

function endOf({ offset, length }: Handle): number {
  return offset + length + TRAILER_BYTES;
}

function isSound(table: Buffer, block: Handle): boolean {
  const checksumAt = endOf(block) - 4;
  return crc32c(table.subarray(block.offset, checksumAt)) === unmask(table.readUInt32LE(checksumAt));
}

function contentsOf(table: Buffer, { offset, length }: Handle): Buffer {
  const contents = table.subarray(offset, offset + length);
  return table[offset + length] === PLAIN ? contents : decompress(contents, INDEX_BYTES_MAX);
}

/** The values of a block of handles: entries with prefix-compressed keys, then offsets of restarts and their number. */
function* handlesIn(contents: Buffer): Generator<Handle> {
  const restarts = contents.readUInt32LE(contents.length - 4);
  const entries = new ByteCursor(contents.subarray(0, contents.length - 4 - 4 * restarts));
  while (!entries.done) {
    entries.varint(); // Length of the prefix shared with the key before.
    const keyBytes = entries.varint();
    const value = entries.varint();
    entries.take(keyBytes);
    yield readHandle(new ByteCursor(entries.take(value)));
  }
}
