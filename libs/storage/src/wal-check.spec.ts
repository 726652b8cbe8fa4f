/** On directories that LevelDB wrote and was torn away from. */
import { cp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { flipByte, TemporaryDirectory } from '@diststore/testing';
import { Level } from 'level';

import { readManifest } from './manifest.js';
import { checkLogs } from './wal-check.js';

type Database = Level<string, Buffer>;

describe('checkLogs', () => {
  let directory: TemporaryDirectory;
  let copies = 0;
  /** Three synced writes and no clean end. */
  let template: string;
  let location: string;

  const openDatabase = async (at: string): Promise<Database> => {
    const db: Database = new Level(at, { valueEncoding: 'buffer' });
    await db.open();
    return db;
  };
  const logsOf = async (): Promise<string[]> =>
    (await readdir(location)).filter((name) => name.endsWith('.log')).sort();
  const check = async (): Promise<void> => {
    const manifest = await readManifest(location);
    if (manifest === undefined) throw new Error('no manifest');
    await checkLogs(location, manifest);
  };
  /** What a database with one more log would have: the records of `source` beside those of the first. */
  const addLog = async (name: string, source: Buffer): Promise<string> => {
    await writeFile(`${location}/${name}`, source);
    return `${location}/${name}`;
  };

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
    template = directory.join('template');
    const db = await openDatabase(template);
    for (const key of ['a', 'b', 'c']) await db.put(key, Buffer.alloc(100, key), { sync: true });
    await db.close();
  });
  beforeEach(async () => {
    copies += 1;
    location = directory.join(String(copies));
    await cp(template, location, { recursive: true });
  });
  afterAll(() => directory.remove());

  it('accepts a sound log and one with an incomplete end', async () => {
    await check();
    const [log = ''] = await logsOf();
    await truncate(`${location}/${log}`, (await readFile(`${location}/${log}`)).length - 10);
    await check();
  });

  it('names file and offset of a damaged record that another one follows', async () => {
    const [log = ''] = await logsOf();
    await flipByte(`${location}/${log}`, 50);
    await expect(check()).rejects.toMatchObject({
      code: 'store-corrupt',
      facts: { file: `${location}/${log}`, offset: 0 },
    });
  });

  it('does not judge a log that the MANIFEST has done with', async () => {
    const obsolete = await addLog('000001.log', await readFile(`${location}/${(await logsOf())[0] ?? ''}`));
    await flipByte(obsolete, 50);
    await check();
  });

  it('accepts that a start dropped an incomplete record, which the next log goes on behind', async () => {
    const [log = ''] = await logsOf();
    const file = `${location}/${log}`;
    const torn = (await readFile(file)).subarray(0, -10);
    await writeFile(file, torn);
    const db = await openDatabase(location);
    await db.put('d', Buffer.alloc(10), { sync: true });
    await db.close();
    // As if the power had failed before the directory entry of the old log was gone.
    await writeFile(file, torn);
    const manifest = await readManifest(location);
    if (manifest === undefined) throw new Error('no manifest');
    expect(await logsOf()).toHaveLength(2);
    await checkLogs(location, { ...manifest, logNumber: 0 });
  });

  it('finds damage at the end of a log when the next one goes on behind it', async () => {
    const [log = ''] = await logsOf();
    const bytes = await readFile(`${location}/${log}`);
    // The records of a and b in the first log, those of c in the second, as when the write buffer had been full.
    const record = bytes.length / 3;
    await writeFile(`${location}/${log}`, bytes.subarray(0, 2 * record));
    await addLog('000900.log', bytes.subarray(2 * record));
    await check();
    await flipByte(`${location}/${log}`, record + 50);
    await expect(check()).rejects.toMatchObject({ facts: { file: `${location}/${log}`, offset: record } });
  });

  it('takes logs in the order of their numbers, not of their names', async () => {
    const [log = ''] = await logsOf();
    const bytes = await readFile(`${location}/${log}`);
    const record = bytes.length / 3;
    await writeFile(`${location}/${log}`, bytes.subarray(0, record));
    await addLog('999999.log', bytes.subarray(record, 2 * record));
    await addLog('1000000.log', bytes.subarray(2 * record));
    await check();
    await flipByte(`${location}/999999.log`, 50);
    await expect(check()).rejects.toMatchObject({ facts: { file: `${location}/999999.log`, offset: 0 } });
  });
});
