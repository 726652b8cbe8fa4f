/**
 * Reads a file in LevelDB's log format (doc/log_format.md): the write-ahead logs and the MANIFEST. Not for writing.
 *
 * Blocks of 32 KiB; a record is one physical record, or several if it does not fit the block:
 *
 *     offset  size  field
 *     0       4     CRC-32C of type and payload, masked, little endian
 *     4       2     payload length, little endian
 *     6       1     type: 1 full, 2 first, 3 middle, 4 last
 *     7       …     payload
 *
 * and fewer than 7 bytes at the end of a block are padding.
 *
 * LevelDB itself drops what is damaged without a word and goes on behind it. The idea here: every record is fsynced
 * before the next one is begun, so what a crash leaves is at most one incomplete record at the end. Something
 * unsound *followed by the start of a sound record* was complete once: it is damage.
 *
 * The end of a damaged record is where the next one is looked for. If its length is the damaged part, its own checksum
 * tells the true length. If its whole header is gone, the records behind it are looked for. A payload may hold bytes
 * that look like records, so those must fit: LevelDB numbers operations without gaps, and leaves none between records.
 *
 * Not detectable: damage inside the last record (but in its length), which looks just like an incomplete one.
 */
import { numberOfWords } from '@diststore/base';

import { crc32c, crc32cOfNext, unmask } from './crc32c.js';

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;
/** A write-ahead record begins with the sequence number of its first operation (u64) and their number (u32). */
const BATCH_HEADER_BYTES = 12;

export interface LogReport {
  /** Offset of the first damaged byte range that no crash can explain. */
  readonly damagedAt: number | undefined;
  /** Offset of what is incomplete at the end, as a crash leaves it. */
  readonly tornAt: number | undefined;
  /** Of the first and after the last sound batch. Meaningless for a MANIFEST. */
  readonly firstSequence: number | undefined;
  readonly nextSequence: number | undefined;
}

interface Physical {
  readonly type: number;
  readonly payload: Buffer;
  readonly end: number;
}

/** `onRecord` gets every sound record up to the first unsound one; its payload may be a view into `log`. */
export function readLog(log: Buffer, onRecord: (payload: Buffer) => void = () => undefined): LogReport {
  let unsoundAt: number | undefined;
  /** The parts of a record of which the last is still to come. */
  let open: { readonly offset: number; readonly parts: Buffer[] } | undefined;
  let firstSequence: number | undefined;
  let nextSequence: number | undefined;

  for (let offset = skipPadding(0); offset < log.length;) {
    const found = physicalAt(log, offset);
    if (found === undefined) {
      unsoundAt ??= open?.offset ?? offset;
      open = undefined;
      const resumeAt = findNext(log, offset, nextSequence);
      if (resumeAt === 'whole')
        return { damagedAt: unsoundAt, tornAt: undefined, firstSequence, nextSequence };
      offset = resumeAt;
      continue;
    }
    const begins = found.type === FULL || found.type === FIRST;
    // A record begins where the one before has not ended, or goes on without having begun.
    if (begins === (open !== undefined)) unsoundAt ??= open?.offset ?? offset;
    if (begins) {
      if (unsoundAt !== undefined)
        return { damagedAt: unsoundAt, tornAt: undefined, firstSequence, nextSequence };
      open = { offset, parts: [] };
    }
    open?.parts.push(found.payload);
    if (open !== undefined && (found.type === FULL || found.type === LAST)) {
      const payload = found.type === FULL ? found.payload : Buffer.concat(open.parts);
      open = undefined;
      const batch = batchOf(payload);
      firstSequence ??= batch?.sequence;
      nextSequence = batch === undefined ? undefined : batch.sequence + batch.count;
      onRecord(payload);
    }
    offset = skipPadding(found.end);
  }
  return { damagedAt: undefined, tornAt: unsoundAt ?? open?.offset, firstSequence, nextSequence };
}

function blockEndOf(offset: number): number {
  return (Math.floor(offset / BLOCK_BYTES) + 1) * BLOCK_BYTES;
}

/** `offset`, or the start of the next block if no record can begin there. */
function skipPadding(offset: number): number {
  const blockEnd = blockEndOf(offset);
  return blockEnd - offset < HEADER_BYTES ? blockEnd : offset;
}

/** The sound physical record at `offset`. */
function physicalAt(log: Buffer, offset: number): Physical | undefined {
  if (offset + HEADER_BYTES > log.length) return undefined;
  const type = log.readUInt8(offset + 6);
  const end = offset + HEADER_BYTES + log.readUInt16LE(offset + 4);
  if (type < FULL || type > LAST || end > Math.min(log.length, blockEndOf(offset))) return undefined;
  if (crc32c(log.subarray(offset + 6, end)) !== unmask(log.readUInt32LE(offset))) return undefined;
  return { type, payload: log.subarray(offset + HEADER_BYTES, end), end };
}

/**
 * Where to go on behind the unsound bytes at `offset`; 'whole' when they are a complete record of which only the
 * length is wrong, at the very end of the log.
 */
function findNext(log: Buffer, offset: number, nextSequence: number | undefined): number | 'whole' {
  const blockEnd = Math.min(log.length, blockEndOf(offset));
  if (offset + HEADER_BYTES > log.length) return log.length;

  const claimedEnd = offset + HEADER_BYTES + log.readUInt16LE(offset + 4);
  const afterClaimed = skipPadding(claimedEnd);
  if (claimedEnd <= blockEnd && physicalAt(log, afterClaimed) !== undefined) return afterClaimed;

  // The length is wrong: with the right one, the checksum is.
  const stored = unmask(log.readUInt32LE(offset));
  let checksum = crc32c(log.subarray(offset + 6, offset + HEADER_BYTES));
  for (let end = offset + HEADER_BYTES; ; end += 1) {
    if (checksum === stored && end !== claimedEnd) {
      if (end === log.length) return 'whole';
      if (physicalAt(log, skipPadding(end)) !== undefined) return skipPadding(end);
    }
    if (end === blockEnd) break;
    checksum = crc32cOfNext(log.readUInt8(end), checksum);
  }

  // An incomplete record owns everything up to the end of its block, whatever the bytes in it look like.
  if (isIncomplete(log, offset)) return blockEnd;
  for (let at = offset + 1; at + HEADER_BYTES <= blockEnd; at += 1) {
    const found = physicalAt(log, at);
    if (found === undefined || found.type === MIDDLE || found.type === LAST) continue;
    const sequence = batchOf(found.payload)?.sequence;
    if (sequence === undefined) continue;
    // What is lost in between has at least one operation, and no operation is shorter than a byte.
    const follows =
      nextSequence === undefined || (sequence > nextSequence && sequence < nextSequence + (at - offset));
    if (follows && leadsToEnd(log, at)) return at;
  }
  return blockEnd;
}

/** Whether a header at `offset` claims what its block has left, of which the log may have only a part. */
function isIncomplete(log: Buffer, offset: number): boolean {
  if (offset + HEADER_BYTES > log.length) return false;
  const type = log.readUInt8(offset + 6);
  const end = offset + HEADER_BYTES + log.readUInt16LE(offset + 4);
  const blockEnd = blockEndOf(offset);
  return type >= FULL && type <= LAST && end >= Math.min(log.length, blockEnd) && end <= blockEnd;
}

/** Whether sound records stand one after the other from `offset` to the end of its block or of the log. */
function leadsToEnd(log: Buffer, offset: number): boolean {
  const blockEnd = blockEndOf(offset);
  for (let at = offset; at < blockEnd && at !== log.length;) {
    const found = physicalAt(log, at);
    if (found === undefined) return isIncomplete(log, at);
    at = skipPadding(found.end);
  }
  return true;
}

function batchOf(payload: Buffer): { sequence: number; count: number } | undefined {
  if (payload.length < BATCH_HEADER_BYTES) return undefined;
  const sequence = numberOfWords(payload.readUInt32LE(4), payload.readUInt32LE(0));
  return { sequence, count: payload.readUInt32LE(8) };
}
