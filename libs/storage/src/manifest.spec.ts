import { readdir, readFile, stat, writeFile } from 'node:fs/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { flipByte, TemporaryDirectory } from '@diststore/testing';
import { Level } from 'level';

import { readManifest } from './manifest.js';

describe('readManifest', () => {
  let directory: TemporaryDirectory;

  beforeEach(async () => {
    directory = await TemporaryDirectory.create();
  });
  afterEach(() => directory.remove());

  /** Ends with a few tables, some others merged into them before, and one log. */
  async function createDatabase(): Promise<void> {
    const db = new Level<string, Buffer>(directory.path, {
      valueEncoding: 'buffer',
      writeBufferSize: 64 * 1024,
    });
    for (let i = 0; i < 30; i += 1)
      await db.put(`key ${i % 7} ${i}`, Buffer.alloc(10_000, i), { sync: true });
    await db.put('last', Buffer.alloc(10), { sync: true });
    await db.close();
  }

  const manifestFile = async (): Promise<string> =>
    directory.join((await readFile(directory.join('CURRENT'), 'utf8')).trim());

  it('names exactly the tables and the log that LevelDB keeps, with their sizes', async () => {
    await createDatabase();
    const manifest = await readManifest(directory.path);
    const files = await readdir(directory.path);
    const tables = new Map<number, number>();
    for (const name of files.filter((file) => file.endsWith('.ldb'))) {
      tables.set(Number.parseInt(name, 10), (await stat(directory.join(name))).size);
    }
    const logs = files.filter((file) => file.endsWith('.log')).map((name) => Number.parseInt(name, 10));
    expect(tables.size).toBeGreaterThan(0);
    expect(manifest?.tables).toEqual(tables);
    expect([manifest?.logNumber]).toEqual(logs);
  });

  it('has none for a new directory, and for one that LevelDB refuses by itself', async () => {
    expect(await readManifest(directory.path)).toBeUndefined();
    expect(await readManifest(directory.join('missing'))).toBeUndefined();
    await createDatabase();
    for (const current of ['', 'nonsense\n', '../MANIFEST-000001\n', 'MANIFEST-999999\n']) {
      await writeFile(directory.join('CURRENT'), current);
      expect(await readManifest(directory.path)).toBeUndefined();
    }
  });

  it('accepts an incomplete last edit, as a crash leaves it', async () => {
    await createDatabase();
    const file = await manifestFile();
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, -3));
    await expect(readManifest(directory.path)).resolves.toBeDefined();
  });

  it('finds damage that LevelDB would pass over', async () => {
    await createDatabase();
    const file = await manifestFile();
    await flipByte(file, 20);
    await expect(readManifest(directory.path)).rejects.toMatchObject({
      code: 'store-corrupt',
      facts: { file, offset: 0 },
    });
  });
});
