/** On logs that LevelDB wrote: what a crash can leave is never called damage, and what it cannot leave always is. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TemporaryDirectory } from '@diststore/testing';
import { Level } from 'level';

import { readLog } from './leveldb-log.js';

const BLOCK = 32 * 1024;
const HEADER = 7;

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Deterministic bytes that do not compress and hold no record. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** The records of a sound log, and the physical records they consist of. */
function spansOf(log: Buffer): { records: Span[]; physical: Span[] } {
  const records: Span[] = [];
  const physical: Span[] = [];
  let start = 0;
  for (let offset = 0; offset + HEADER <= log.length;) {
    const left = BLOCK - (offset % BLOCK);
    if (left < HEADER) {
      offset += left;
      continue;
    }
    const type = log.readUInt8(offset + 6);
    const end = offset + HEADER + log.readUInt16LE(offset + 4);
    physical.push({ start: offset, end });
    if (type === 1 || type === 2) start = offset;
    if (type === 1 || type === 4) records.push({ start, end });
    offset = end;
  }
  return { records, physical };
}

function flipped(log: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(log);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

const around = (at: number): number[] => Array.from({ length: 17 }, (_unused, i) => at + i - 8);

/** Whether the first `length` bytes of `log` are taken for what a crash leaves, and the torn record is named. */
function isTornAt(log: Buffer, records: readonly Span[], length: number): boolean {
  const { damagedAt, tornAt } = readLog(log.subarray(0, length));
  const record = records.find(({ start, end }) => start < length && length < end);
  return damagedAt === undefined && (record === undefined || tornAt === record.start);
}

describe('readLog', () => {
  let directory: TemporaryDirectory;
  let logs = 0;
  /** 40 short records, all in one block. */
  let short: Buffer;
  /** Records of up to three blocks, over many blocks, a short one between each two. */
  let long: Buffer;

  /** The write-ahead log of a new database with one write per value. */
  async function logOf(values: readonly Buffer[]): Promise<Buffer> {
    logs += 1;
    const location = directory.join(String(logs));
    const db = new Level<Buffer, Buffer>(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      writeBufferSize: 64 * 1024 * 1024,
    });
    for (const [i, value] of values.entries()) {
      await db.batch(
        [
          { type: 'del', key: Buffer.from('x') },
          { type: 'put', key: Buffer.from([i]), value },
        ],
        { sync: true },
      );
    }
    await db.close();
    const names = (await readdir(location)).filter((name) => name.endsWith('.log'));
    expect(names).toHaveLength(1);
    return readFile(path.join(location, names[0] ?? ''));
  }

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
    short = await logOf(Array.from({ length: 40 }, (_unused, i) => noise(i * 2, i)));
    const sizes = [100, 40_000, 20, 70_000, 5000, 29_000, 90_000, 30];
    long = await logOf(sizes.map((size, i) => noise(size, i)));
  });
  afterAll(() => directory.remove());

  it('hands out every record of a sound log, and its sequence numbers', () => {
    for (const [log, count] of [
      [short, 40],
      [long, 8],
    ] as const) {
      const lengths: number[] = [];
      const report = readLog(log, (payload) => lengths.push(payload.length));
      expect(report).toEqual({
        damagedAt: undefined,
        tornAt: undefined,
        firstSequence: 1,
        nextSequence: 1 + 2 * count, // Two operations per write.
      });
      expect(lengths).toHaveLength(count);
    }
    expect(readLog(Buffer.alloc(0))).toMatchObject({ damagedAt: undefined, tornAt: undefined });
  });

  it('consists of records in one, two and three blocks', () => {
    expect(new Set(spansOf(long).physical.map(({ start }) => long.readUInt8(start + 6)))).toEqual(
      new Set([1, 2, 3, 4]),
    );
    expect(long.length).toBeGreaterThan(7 * BLOCK);
    expect(short.length).toBeLessThan(BLOCK);
  });

  it('never calls a log damaged that ends early, wherever it ends', () => {
    const everywhere = (log: Buffer, step: number): number[] =>
      Array.from({ length: Math.ceil(log.length / step) }, (_unused, i) => i * step);
    const { records, physical } = spansOf(long);
    const near = physical
      .flatMap(({ start, end }) => [start, end, Math.ceil(end / BLOCK) * BLOCK])
      .flatMap(around);
    expect(everywhere(short, 1).filter((length) => !isTornAt(short, spansOf(short).records, length))).toEqual(
      [],
    );
    const lengths = [...near, ...everywhere(long, 4999)].filter(
      (length) => length >= 0 && length <= long.length,
    );
    expect(lengths.filter((length) => !isTornAt(long, records, length))).toEqual([]);
  });

  it('finds a changed byte anywhere before the last record', () => {
    const { records } = spansOf(short);
    const missed: { at: number; mask: number; damagedAt: number | undefined }[] = [];
    for (const { start, end } of records.slice(0, -1)) {
      for (let at = start; at < end; at += 1) {
        for (const mask of [0x01, 0xc0]) {
          const { damagedAt } = readLog(flipped(short, at, mask));
          if (damagedAt !== start) missed.push({ at, mask, damagedAt });
        }
      }
    }
    expect(missed).toEqual([]);
  });

  it('finds a changed byte in records of many blocks', () => {
    const { records, physical } = spansOf(long);
    const last = records.at(-1)?.start ?? 0;
    const missed: { at: number; mask: number; damagedAt: number | undefined }[] = [];
    for (const { start, end } of physical.filter((span) => span.start < last)) {
      const middle = Math.floor((start + end) / 2);
      for (const at of [0, 1, 2, 3, 4, 5, 6, 7].map((i) => start + i).concat(middle, end - 1)) {
        const record = records.find((span) => at < span.end);
        for (const mask of [0x01, 0x80, 0xff]) {
          const { damagedAt } = readLog(flipped(long, at, mask));
          if (damagedAt !== record?.start) missed.push({ at, mask, damagedAt });
        }
      }
    }
    expect(missed).toEqual([]);
  });

  it('hands out no record behind a damaged one', () => {
    const { records } = spansOf(short);
    let seen = 0;
    readLog(flipped(short, (records[10]?.start ?? 0) + 20, 1), () => (seen += 1));
    expect(seen).toBe(10);
  });

  it('takes a change in the last record for an incomplete one, but finds one in its length', () => {
    const start = spansOf(short).records.at(-1)?.start ?? 0;
    for (let at = start; at < short.length; at += 1) {
      const { damagedAt, tornAt } = readLog(flipped(short, at, 0x10));
      const inLength = at === start + 4 || at === start + 5;
      expect([at, damagedAt, tornAt]).toEqual(inLength ? [at, start, undefined] : [at, undefined, start]);
    }
  });

  it.each([
    ['a sector', 512],
    ['a page', 4096],
    ['a block', BLOCK],
  ])('finds %s of zeros, and one of noise, before the last record', (_what, size) => {
    const log = Buffer.concat([long]);
    const last = spansOf(log).records.at(-1)?.start ?? 0;
    for (let at = 0; at + size <= last; at += Math.max(size, 4096)) {
      for (const filling of [Buffer.alloc(size), noise(size, at)]) {
        const damaged = Buffer.from(log);
        filling.copy(damaged, at);
        expect([at, readLog(damaged).damagedAt]).toEqual([at, expect.any(Number)]);
      }
    }
  });

  it('finds a lost header when a later record stands in the same block', () => {
    const { records } = spansOf(short);
    for (const { start } of records.slice(0, -1)) {
      const damaged = Buffer.from(short).fill(0, start, start + HEADER);
      expect([start, readLog(damaged).damagedAt]).toEqual([start, start]);
    }
  });

  it('finds the first of several damaged records', () => {
    const { records } = spansOf(short);
    for (const numbers of [
      [3, 5],
      [10, 38],
      [36, 38, 39],
    ]) {
      const damaged = numbers.reduce((log, i) => flipped(log, (records[i]?.end ?? 0) - 1, 1), short);
      expect(readLog(damaged).damagedAt).toBe(records[numbers[0] ?? 0]?.start);
    }
  });

  // 12 bytes of batch header, 6 + 3 of the two operations, 7 of the physical header.
  const inOneBlock = BLOCK - HEADER - 12 - 6 - 3;

  it('passes over the padding at the end of a block', async () => {
    for (const padding of [1, 6]) {
      const log = await logOf([noise(inOneBlock - padding, 1), noise(50, 2), noise(50, 3)]);
      expect(spansOf(log).records[1]?.start).toBe(BLOCK);
      expect(readLog(log)).toEqual({
        damagedAt: undefined,
        tornAt: undefined,
        firstSequence: 1,
        nextSequence: 7,
      });
      expect(readLog(flipped(log, BLOCK - 1, 1)).damagedAt).toBeUndefined();
      expect(readLog(flipped(log, 4, 1)).damagedAt).toBe(0);
    }
  });

  it('accepts a first part without payload, for which a block had just room', async () => {
    const log = await logOf([noise(inOneBlock - HEADER, 1), noise(50, 2), noise(50, 3)]);
    expect(spansOf(log).physical).toContainEqual({ start: BLOCK - HEADER, end: BLOCK });
    expect(readLog(log)).toEqual({
      damagedAt: undefined,
      tornAt: undefined,
      firstSequence: 1,
      nextSequence: 7,
    });
    expect(readLog(flipped(log, BLOCK - 5, 1)).damagedAt).toBe(BLOCK - HEADER);
  });

  it('finds a record without its beginning, and one without its end', async () => {
    const twoBlocks = inOneBlock + BLOCK - HEADER;
    const log = await logOf([noise(inOneBlock, 1), noise(twoBlocks, 2), noise(inOneBlock, 3), noise(50, 4)]);
    expect(
      spansOf(log)
        .physical.slice(0, 4)
        .map(({ start }) => start),
    ).toEqual([0, 1, 2, 3].map((i) => i * BLOCK));
    for (const lost of [1, 2]) {
      const without = Buffer.concat([log.subarray(0, lost * BLOCK), log.subarray((lost + 1) * BLOCK)]);
      expect(readLog(without).damagedAt).toBe(BLOCK);
    }
  });

  describe('with values that look like records', () => {
    /** Records like LevelDB's own, each with the sequence number that would come next, and many others. */
    let forged: Buffer;
    let log: Buffer;

    beforeAll(async () => {
      const template = await logOf(Array.from({ length: 20 }, () => Buffer.from('v')));
      forged = Buffer.concat([template, short.subarray(0, 2000), template]);
      log = await logOf([
        noise(200, 1),
        forged,
        noise(40_000, 2),
        Buffer.concat([noise(50, 3), forged, forged, noise(9, 4)]),
      ]);
    });

    it('never calls a log damaged that ends early', () => {
      const { records } = spansOf(log);
      const lengths = Array.from({ length: log.length }, (_unused, i) => i).filter(
        (length) => length < 1500 || length > log.length - 2500 || length % 4999 === 0,
      );
      expect(lengths.filter((length) => !isTornAt(log, records, length))).toEqual([]);
    });

    it('does not take them for records when pages of the last record never reached the disk', async () => {
      // One ends with what looks like records of long ago, one with something else.
      const endsWithRecords = await logOf([...Array.from({ length: 60 }, () => noise(10, 1)), forged]);
      for (const whole of [log, endsWithRecords]) {
        const start = spansOf(whole).records.at(-1)?.start ?? 0;
        const misled: number[] = [];
        for (let at = start; at < whole.length; at += 16) {
          const lost = Buffer.from(whole).fill(0, at, Math.min(at + 512, whole.length));
          if (readLog(lost).damagedAt !== undefined) misled.push(at);
        }
        expect(misled).toEqual([]);
      }
    });

    it('finds a changed byte before the last record', () => {
      const { records } = spansOf(log);
      const last = records.at(-1)?.start ?? 0;
      const missed: number[] = [];
      for (let at = 0; at < last; at += at < 1500 ? 1 : 1999) {
        const record = records.find(({ end }) => at < end);
        if (readLog(flipped(log, at, 0x20)).damagedAt !== record?.start) missed.push(at);
      }
      expect(missed).toEqual([]);
    });
  });
});
