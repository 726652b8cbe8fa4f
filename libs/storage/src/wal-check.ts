/**
 * Checks LevelDB's write-ahead logs before LevelDB opens them.
 *
 * Why: LevelDB (without `paranoid_checks`, which the binding does not offer) drops a damaged part of a log silently
 * and goes on with what follows. An acknowledged write in the middle would vanish and an older value be served.
 *
 * The idea: every batch of this store is fsynced before the next one is written, and a batch is one logical record.
 * So what a crash can leave behind is at most one torn record at the end. A damaged record *followed by the start of
 * another valid one* cannot come from a crash: the later record was only written after the damaged one was safely on
 * disk. That is corruption, and the store must not be opened.
 *
 * Not detectable here: damage inside the very last record, which looks just like a torn write.
 *
 * Format (LevelDB, doc/log_format.md): blocks of 32 KiB; each physical record is
 *
 *     offset  size  field
 *     0       4     CRC-32C of type and payload, masked, little endian
 *     4       2     payload length, little endian
 *     6       1     type: 1 full, 2 first, 3 middle, 4 last
 *     7       …     payload
 *
 * and fewer than 7 bytes at the end of a block are zero padding.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { StoreError } from '@diststore/base';

import { crc32c } from './crc32c.js';

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;
const MASK_DELTA = 0xa282ead8;

function unmask(masked: number): number {
  const rotated = (masked - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/**
 * The offset of a damaged record that a valid later one follows, or undefined when the log is sound up to a torn end.
 * `log` is only read.
 */
export function findDamage(log: Buffer): number | undefined {
  let damagedAt: number | undefined;
  let offset = 0;
  while (offset < log.length) {
    const blockEnd = Math.min(log.length, (Math.floor(offset / BLOCK_BYTES) + 1) * BLOCK_BYTES);
    if (blockEnd - offset < HEADER_BYTES) {
      offset = blockEnd;
      continue;
    }
    const length = log.readUInt16LE(offset + 4);
    const type = log.readUInt8(offset + 6);
    const end = offset + HEADER_BYTES + length;
    const plausible = type >= FULL && type <= LAST && end <= blockEnd;
    const sound = plausible && crc32c(log.subarray(offset + 6, end)) === unmask(log.readUInt32LE(offset));
    if (!sound) damagedAt ??= offset;
    else if (damagedAt !== undefined && (type === FULL || type === FIRST)) return damagedAt;
    // A header that makes no sense says nothing of where the next record is: look at every place left in the block.
    offset = plausible ? end : offset + 1;
  }
  return undefined;
}

/**
 * Checks every log in a LevelDB directory. Reads them whole: they are a few MiB, the size of a write buffer.
 * @throws StoreError store-corrupt naming file and offset.
 */
export async function checkLogs(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((file) => /^\d+\.log$/.test(file)).sort()) {
    const file = path.join(directory, name);
    const offset = findDamage(await readFile(file));
    if (offset === undefined) continue;
    throw new StoreError(
      'store-corrupt',
      `${file} is damaged at byte ${offset}, and acknowledged writes follow it. Serving without the damaged part could ` +
        'give old values. Move the directory aside and restore a backup or a replica.',
      { facts: { file, offset } },
    );
  }
}
