import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TemporaryDirectory } from '@diststore/testing';

import { databasePath, describeOwner, prepareDirectory, removeOwner, writeOwner } from './data-directory.js';

const UNUSABLE = expect.objectContaining({ code: 'store-unusable' });
const CORRUPT = expect.objectContaining({ code: 'store-corrupt' });

describe('prepareDirectory', () => {
  let directory: TemporaryDirectory;

  beforeEach(async () => {
    directory = await TemporaryDirectory.create();
  });
  afterEach(() => directory.remove());

  it('creates what is missing, parents included, and accepts what is there', async () => {
    const wanted = directory.join('a', 'b', 'worker-1');
    await prepareDirectory(wanted, 0);
    await prepareDirectory(wanted, 0);
    await writeFile(`${databasePath(wanted)}/anything`, '');
  });

  it('refuses a path with a file in the way', async () => {
    await writeFile(directory.join('file'), '');
    await expect(prepareDirectory(directory.join('file'), 0)).rejects.toEqual(UNUSABLE);
    await expect(prepareDirectory(directory.join('file', 'below'), 0)).rejects.toThrow(
      directory.join('file', 'below'),
    );
  });

  const systemFolder = '/proc';
  (existsSync(systemFolder) ? it : it.skip)('refuses a folder that no user may create, at once', async () => {
    const denied = `${systemFolder}/diststore/worker-1`;
    await expect(prepareDirectory(denied, 0)).rejects.toEqual(UNUSABLE);
  });

  it('refuses a directory whose db is a file', async () => {
    await writeFile(directory.join('db'), '');
    await expect(prepareDirectory(directory.path, 0)).rejects.toEqual(UNUSABLE);
  });

  it.each(['000005.ldb', '000005.sst', '000004.log'])('refuses data (%s) without CURRENT', async (name) => {
    await mkdir(directory.join('db'));
    await writeFile(directory.join('db', name), '');
    await expect(prepareDirectory(directory.path, 0)).rejects.toEqual(CORRUPT);
    expect(await readFile(directory.join('db', name))).toHaveLength(0);
  });

  it('accepts what a crash during the very first start leaves', async () => {
    await mkdir(directory.join('db'));
    for (const name of ['LOCK', 'LOG', 'MANIFEST-000001', '000001.dbtmp'])
      await writeFile(directory.join('db', name), '');
    await expect(prepareDirectory(directory.path, 0)).resolves.toBeUndefined();
  });
});

describe('the owner file', () => {
  let directory: TemporaryDirectory;

  beforeEach(async () => {
    directory = await TemporaryDirectory.create();
  });
  afterEach(() => directory.remove());

  it('describes who has the store open', async () => {
    await writeOwner(directory.path, { pid: 4711, name: 'worker 1', since: '2025-01-02T03:04:05.678Z' });
    expect(await describeOwner(directory.path)).toBe(
      'worker 1 (process 4711, since 2025-01-02T03:04:05.678Z)',
    );
    await removeOwner(directory.path);
    expect(await describeOwner(directory.path)).toBe('another process');
  });

  it.each(['', '{"pid":', 'null', '[]', '"text"'])(
    'may hold anything (%j), as it decides nothing',
    async (content) => {
      await writeFile(directory.join('owner.json'), content);
      expect(await describeOwner(directory.path)).toMatch(/process/);
    },
  );

  it('neither fails a start nor an end when it cannot be written or removed', async () => {
    await mkdir(directory.join('owner.json', 'in', 'the', 'way'), { recursive: true });
    await writeOwner(directory.path, { pid: 1, name: 'worker 1', since: '' });
    await removeOwner(directory.path);
  });
});
