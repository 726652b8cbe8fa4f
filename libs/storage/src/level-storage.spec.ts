/** What LevelStorage adds to the contract: locks, clear errors, and the refusal of what is damaged. */
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { flipByte, TemporaryDirectory } from '@diststore/testing';

import { LevelStorage, type LevelStorageOptions } from './level-storage.js';

const CORRUPT = expect.objectContaining({ code: 'store-corrupt' });
const KEYS = 300;
const keyOf = (i: number): Buffer => Buffer.from(`key ${i}`);

describe('LevelStorage.open', () => {
  let directory: TemporaryDirectory;
  let template: TemporaryDirectory;

  const open = (options: Partial<LevelStorageOptions> = {}): Promise<LevelStorage> =>
    LevelStorage.open({ directory: directory.path, owner: 'worker 7', ...options });
  const database = (name: string): string => directory.join('db', name);
  const filesOf = async (pattern: RegExp): Promise<string[]> =>
    (await readdir(directory.join('db'))).filter((name) => pattern.test(name)).map(database);

  /** Two tables and a log, each with some of the keys. */
  beforeAll(async () => {
    template = await TemporaryDirectory.create();
    for (let part = 0; part < 3; part += 1) {
      const storage = await LevelStorage.open({ directory: template.path, owner: 'worker 7' });
      for (let i = part; i < KEYS; i += 30) {
        const value = Buffer.from(`value ${i} ${Math.sqrt(i)}`);
        await storage.write([{ type: 'put', key: keyOf(i), value }]);
      }
      await storage.close();
    }
  });
  afterAll(() => template.remove());

  beforeEach(async () => {
    directory = await TemporaryDirectory.create();
    await cp(template.path, directory.path, { recursive: true });
  });
  afterEach(() => directory.remove());

  it('opens what was closed, and leaves no owner file behind', async () => {
    expect((await readdir(template.path)).sort()).toEqual(['db']);
    const storage = await open();
    expect(JSON.parse(await readFile(directory.join('owner.json'), 'utf8'))).toMatchObject({
      pid: process.pid,
      name: 'worker 7',
    });
    expect(storage.getSync(keyOf(31))).toBeDefined();
    await storage.close();
    expect(await readdir(directory.path)).toEqual(['db']);
  });

  it('names the holder of a directory that is open already, and disturbs it in no way', async () => {
    const storage = await open();
    await expect(open({ owner: 'worker 8' })).rejects.toMatchObject({
      code: 'store-locked',
      message: expect.stringContaining(`open in worker 7 (process ${process.pid}, since 2`),
    });
    await storage.write([{ type: 'put', key: keyOf(1), value: Buffer.alloc(1) }]);
    await storage.close();
    await (await open({ owner: 'worker 8' })).close();
  });

  it('lets two of one process that start at once settle who has it', async () => {
    const outcomes = await Promise.allSettled([open(), open(), open()]);
    const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    expect(opened).toHaveLength(1);
    expect(refused).toEqual([1, 2].map(() => expect.objectContaining({ code: 'store-locked' })));
    await opened[0]?.close();
  });

  it('refuses a directory that has lost its CURRENT file, and keeps the rest', async () => {
    await rm(database('CURRENT'));
    const before = await readdir(directory.join('db'));
    await expect(open()).rejects.toEqual(CORRUPT);
    expect(await readdir(directory.join('db'))).toEqual(before);
  });

  it.each([
    ['empty', ''],
    ['without its end', 'MANIFEST-000001'],
    ['nonsense', 'nonsense\n'],
    ['that names no file', 'MANIFEST-999999\n'],
  ])('refuses a CURRENT file that is %s', async (_what, content) => {
    await writeFile(database('CURRENT'), content);
    await expect(open()).rejects.toEqual(CORRUPT);
  });

  it('refuses a directory that lacks a table', async () => {
    const [table = ''] = await filesOf(/\.ldb$/);
    await rm(table);
    await expect(open()).rejects.toEqual(CORRUPT);
  });

  it.each([
    ['CURRENT', 1],
    ['MANIFEST', 5],
  ])('refuses a %s file with a byte changed', async (name, step) => {
    const [file = ''] = await filesOf(new RegExp(`^${name}`));
    const sound = await readFile(file);
    for (let at = 0; at < sound.length; at += step) {
      for (const mask of [0x01, 0x20]) {
        await flipByte(file, at, mask);
        await expect(open()).rejects.toEqual(CORRUPT);
        await writeFile(file, sound);
      }
    }
    await (await open()).close();
  });

  it('refuses tables with a changed byte', async () => {
    const tables = await filesOf(/\.ldb$/);
    expect(tables).toHaveLength(2);
    for (const table of tables) {
      const sound = await readFile(table);
      for (const at of [10, 100, sound.length - 60, sound.length - 1]) {
        await flipByte(table, at);
        await expect(open()).rejects.toMatchObject({ code: 'store-corrupt', facts: { file: table } });
        await writeFile(table, sound);
      }
    }
  });

  it('checks no more of the tables than it is asked to', async () => {
    const [oldest = ''] = await filesOf(/\.ldb$/);
    await flipByte(oldest, 10);
    const storage = await open({ tableCheckBytes: 0 });
    await storage.close();
  });

  it('refuses a log that is damaged before its last record', async () => {
    const [log = ''] = await filesOf(/\.log$/);
    await flipByte(log, 20);
    await expect(open()).rejects.toMatchObject({ code: 'store-corrupt', facts: { file: log, offset: 0 } });
  });

  it('opens with everything but the last write when the log ends early', async () => {
    const [log = ''] = await filesOf(/\.log$/);
    await truncate(log, (await readFile(log)).length - 1);
    const storage = await open();
    expect(storage.getSync(keyOf(KEYS - 30 + 2))).toBeUndefined();
    expect(storage.getSync(keyOf(KEYS - 60 + 2))).toBeDefined();
    await storage.close();
  });

  it('reports a table that is gone when it is needed as store-corrupt', async () => {
    const storage = await open();
    for (const table of await filesOf(/\.ldb$/)) await rm(table);
    expect(() => storage.getSync(keyOf(0))).toThrow(CORRUPT);
    await expect(storage.get(keyOf(1))).rejects.toEqual(CORRUPT);
    await expect(storage.page({ gte: keyOf(0), lt: keyOf(9) })).rejects.toEqual(CORRUPT);
    await storage.close();
  });
});

describe('LevelStorage.read', () => {
  it('answers at once from memory', async () => {
    const directory = await TemporaryDirectory.create();
    const storage = await LevelStorage.open({ directory: directory.path, owner: 'worker 7' });
    await storage.write([{ type: 'put', key: keyOf(1), value: Buffer.from('v') }]);
    const answers = Array.from({ length: 1000 }, () => storage.read(keyOf(1)));
    // A pause of the process may make one read look slow; then some of the next go the other way.
    expect(answers.filter((answer) => Buffer.isBuffer(answer)).length).toBeGreaterThan(100);
    for (const answer of answers) expect(String(await answer)).toBe('v');
    await storage.close();
    await directory.remove();
  });
});
