/** On tables that LevelDB wrote, with and without compression. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { flipByte, TemporaryDirectory } from '@diststore/testing';
import { Level } from 'level';

import { readManifest, type Manifest } from './manifest.js';
import { checkTables, findTableDamage } from './table-check.js';

const FOOTER_BYTES = 48;
const MAGIC_BYTES = 8;
/** Two handles of two numbers; the last byte of each number has no top bit. */
const FOOTER_NUMBERS = 4;

interface Database {
  readonly location: string;
  /** Oldest first. */
  readonly tables: readonly string[];
  readonly manifest: Manifest;
}

/** A database of `count` tables that hold the same keys. */
async function createDatabase(
  location: string,
  count: number,
  valueOf: (i: number) => Buffer,
): Promise<Database> {
  for (let table = 0; table < count; table += 1) {
    // Opening flushes the log of the run before into a table.
    const db = new Level<Buffer, Buffer>(location, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
    await db.open();
    const ops = Array.from({ length: 200 }, (_unused, i) => ({
      type: 'put' as const,
      key: Buffer.from(`key ${i}`),
      value: valueOf(i),
    }));
    await db.batch(ops, { sync: true });
    await db.close();
  }
  const db = new Level(location);
  await db.open();
  await db.close();
  const tables = (await readdir(location)).filter((name) => name.endsWith('.ldb')).sort();
  const manifest = await readManifest(location);
  if (manifest === undefined) throw new Error('no manifest');
  return { location, tables, manifest };
}

const compressible = (i: number): Buffer => Buffer.alloc(100, i);
const incompressible = (i: number): Buffer =>
  Buffer.from(Array.from({ length: 60 }, (_unused, at) => (i * 7919 + at * at * 131) >> 3));

describe('findTableDamage', () => {
  let directory: TemporaryDirectory;
  let tables: Buffer[];

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
    tables = [];
    for (const valueOf of [compressible, incompressible]) {
      const { location, tables: names } = await createDatabase(directory.join(valueOf.name), 1, valueOf);
      tables.push(await readFile(`${location}/${names[0] ?? ''}`));
    }
  });
  afterAll(() => directory.remove());

  it('finds nothing in a sound table', () => {
    expect(tables.map(findTableDamage)).toEqual([undefined, undefined]);
    const [compressed, plain] = tables.map(({ length }) => length);
    expect(compressed).toBeLessThan((plain ?? 0) / 2);
  });

  it('finds a changed byte anywhere but in the padding of the footer', () => {
    for (const table of tables) {
      const damaged = Buffer.from(table);
      const missed: number[] = [];
      for (let at = 0; at < table.length; at += 1) {
        for (const mask of [0x01, 0xff]) {
          damaged.writeUInt8(table.readUInt8(at) ^ mask, at);
          const found = findTableDamage(damaged);
          if (found === undefined || found > at) missed.push(at);
        }
        damaged.writeUInt8(table.readUInt8(at), at);
      }
      let padding = table.length - FOOTER_BYTES;
      for (let numbers = 0; numbers < FOOTER_NUMBERS; padding += 1)
        if (table.readUInt8(padding) < 0x80) numbers += 1;
      expect(missed.filter((at) => at < padding || at >= table.length - MAGIC_BYTES)).toEqual([]);
    }
  });

  it('finds a table that ends early, or late', () => {
    for (const table of tables) {
      for (const length of [0, 1, 8, 47, 48, 49, 1000, table.length - 1]) {
        expect(findTableDamage(table.subarray(0, length))).toBeDefined();
      }
      expect(findTableDamage(Buffer.concat([table, Buffer.alloc(1)]))).toBeDefined();
    }
  });

  it('names the block that is damaged', () => {
    for (const table of tables) {
      // The first block is longer than this.
      expect(findTableDamage(flip(table, 100))).toBe(0);
      expect(findTableDamage(flip(table, table.length - 1))).toBe(table.length - FOOTER_BYTES);
    }
  });

  it('finds pages of zeros and of other tables', () => {
    const [compressed = Buffer.alloc(0), plain = Buffer.alloc(0)] = tables;
    for (let at = 0; at < plain.length; at += 4096) {
      const end = Math.min(at + 4096, plain.length);
      expect(findTableDamage(Buffer.from(plain).fill(0, at, end))).toBeDefined();
      const mixed = Buffer.from(plain);
      compressed.copy(mixed, at, 0, end - at);
      expect(findTableDamage(mixed)).toBeDefined();
    }
  });
});

function flip(table: Buffer, at: number): Buffer {
  const damaged = Buffer.from(table);
  damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
  return damaged;
}

describe('checkTables', () => {
  let directory: TemporaryDirectory;
  let database: Database;
  let sound: Buffer[];
  const fileOf = (table: number): string => `${database.location}/${database.tables.at(table) ?? ''}`;

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
    database = await createDatabase(directory.join('db'), 3, incompressible);
    sound = await Promise.all(database.tables.map((_name, i) => readFile(fileOf(i))));
    expect(database.tables).toHaveLength(3);
  });
  beforeEach(async () => {
    await Promise.all(sound.map((bytes, i) => writeFile(fileOf(i), bytes)));
  });
  afterAll(() => directory.remove());

  const check = (bytesMax = Number.POSITIVE_INFINITY): Promise<void> =>
    checkTables(database.location, database.manifest, bytesMax);

  it('accepts sound tables', async () => {
    await expect(check()).resolves.toBeUndefined();
  });

  it.each([0, 1, 2])('names file and offset of damage in table %i of 3', async (table) => {
    await flipByte(fileOf(table), 100);
    await expect(check()).rejects.toMatchObject({
      code: 'store-corrupt',
      facts: { file: fileOf(table), offset: 0 },
    });
  });

  it('begins with the newest table and ends where the next one would pass the bytes', async () => {
    const [oldest = 0, middle = 0, newest = 0] = sound.map(({ length }) => length);
    await flipByte(fileOf(0), 100);
    await expect(check(newest + middle + oldest - 1)).resolves.toBeUndefined();
    await expect(check(newest + middle + oldest)).rejects.toMatchObject({ code: 'store-corrupt' });
    await flipByte(fileOf(-1), 100);
    await expect(check(newest)).rejects.toMatchObject({ facts: { file: fileOf(-1) } });
    await expect(check(newest - 1)).resolves.toBeUndefined();
  });

  it('finds a table that has lost its end', async () => {
    await truncate(fileOf(1), 1000);
    await expect(check()).rejects.toMatchObject({ facts: { file: fileOf(1), offset: 1000 } });
  });

  it('judges no table that the MANIFEST does not name, as a crash may leave one half written', async () => {
    await writeFile(`${database.location}/999999.ldb`, Buffer.alloc(5000, 1));
    await expect(check()).resolves.toBeUndefined();
  });
});
