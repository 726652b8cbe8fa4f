/**
 * Disks that forget and disks that change: whatever is lost or damaged on one worker is never served, and comes back
 * from the others without an operator. How much is sent again depends on how much can still be told apart: the missing
 * end of a log comes as entries, a damaged record costs its partition's replica, a damaged file of LevelDB (which may
 * hold anything) the store.
 */
import { readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';

import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type App, flipByte, useSandbox } from '@diststore/testing';

import { identityOf } from '../e2e/cluster-views.js';
import { changeARecord } from './change-a-record.js';
import { fill, known, untilWhole } from './cluster.js';

const sandbox = useSandbox('all');

const WORKERS = [1, 2, 3];
const VICTIM = 3;
const REPLICAS = 3;
const PARTITIONS = 8;
const KEYS = 120;
const VALUE_BYTES = 8 * 1024;

describe('a cluster of three with', () => {
  let master: App;
  let workers: App[];
  const victim = (): App => known(workers[VICTIM - 1]);
  const directory = (): string => sandbox().path('data', `worker-${VICTIM}`);
  const database = (): string => path.join(directory(), 'db');

  beforeAll(async () => {
    master = await sandbox().startMaster({
      flags: [
        '--timing=fast',
        '--heartbeat-ms=200',
        '--silent-after-ms=1500',
        '--bootstrap-expect=3',
        `--partitions=${PARTITIONS}`,
        `--replication-factor=${REPLICAS}`,
      ],
    });
    workers = await Promise.all(
      WORKERS.map((index) =>
        // A small memory table, so that there are tables.
        sandbox().startWorker({
          index,
          masterUrl: master.url,
          flags: ['--write-buffer-bytes=1048576', '--log-budget-bytes=16777216'],
        }),
      ),
    );
    await untilWhole(sandbox(), master, REPLICAS);
    await fill(known(workers[0]).http, { keys: KEYS, valueBytes: VALUE_BYTES });
  });

  beforeEach(async () => {
    await untilWhole(sandbox(), master, REPLICAS);
    await untilEverythingIsThere();
  });

  it('a data directory that was wiped: it comes back as a new store, with everything', async () => {
    const { storeId } = await identityOf(victim().http);
    await victim().process.kill();
    await rm(directory(), { recursive: true });
    await startVictim();
    await untilEverythingIsThere();
    expect((await identityOf(victim().http)).storeId).not.toBe(storeId);
  });

  it('a record that was changed: its replica is made anew, the others and the store stay', async () => {
    const { storeId } = await identityOf(victim().http);
    await victim().process.kill();
    const damaged = await changeARecord(database(), PARTITIONS);
    await startVictim();
    const http = victim().http;
    // Whoever asks for it, wherever it leads by then, gets the true value, or is told to wait.
    await sandbox().eventually('its record was met, and is right again', async () => {
      await Promise.all(workers.map((worker) => expectTrueOrRetry(worker, damaged)));
      const stale = await http.get(`/v1/kv/${damaged}?consistency=stale`);
      if (stale.status !== 200) return false;
      expect(stale.text).toBe(valueOf(damaged));
      return true;
    });
    await sandbox().eventually('its replica was erased', async () => {
      return (await metric(victim(), 'diststore_erased_replicas_total')) === 1;
    });
    await untilWhole(sandbox(), master, REPLICAS);
    await untilEverythingIsThere();
    expect((await identityOf(http)).storeId).toBe(storeId);
    expect(victim().process.output).toMatch(/has a damaged row here/);
    expect(await metric(victim(), 'diststore_quarantines_total')).toBe(1);
  });

  it.each([
    ['a table of LevelDB that was changed', '.ldb'],
    ['a log of LevelDB that was changed in the middle', '.log'],
  ])(
    '%s: the store is set aside as soon as nobody counts on it, and comes back new',
    async (_what, ending) => {
      const { storeId } = await identityOf(victim().http);
      await victim().process.kill();
      const file = await largest(database(), ending);
      await flipByte(file, Math.floor((await stat(file)).size / 3));
      await startVictim();
      await untilEverythingIsThere();
      expect((await identityOf(victim().http)).storeId).not.toBe(storeId);
      expect(victim().process.output).toMatch(/damaged at byte \d+.*begins with an empty one/);
      // What a person may want to look at.
      expect(await readdir(`${database()}.damaged`)).toContain(path.basename(file));
    },
  );

  it('a log that has lost its end: the entries come again, and nothing else', async () => {
    const { storeId } = await identityOf(victim().http);
    await victim().process.kill();
    const others = workers.filter((worker) => worker !== victim());
    await sandbox().eventually('the others go on without it', async () => {
      const { status } = await known(others[0]).http.put('/v1/kv/meanwhile', 'x');
      return status === 200 || status === 201;
    });
    await untilWhole(sandbox(), master, REPLICAS - 1);
    const log = await largest(database(), '.log');
    await truncate(log, (await stat(log)).size - 10);
    await startVictim();
    await untilEverythingIsThere();
    expect((await identityOf(victim().http)).storeId).toBe(storeId);
    expect(await metric(victim(), 'diststore_quarantines_total')).toBe(0);
  });

  /** It may have to wait until the others have noticed that it is gone. */
  async function startVictim(): Promise<void> {
    workers[VICTIM - 1] = await sandbox().startAgain(victim());
    await untilWhole(sandbox(), master, REPLICAS);
  }

  /** Every value as it should be: by the primary, whoever is asked, and in every worker's own replicas. */
  async function untilEverythingIsThere(): Promise<void> {
    for (let i = 0; i < KEYS; i += 1) {
      const key = `filled-${i}`;
      for (const worker of workers) {
        await sandbox().eventually(`${key} is there`, () => expectTrueOrRetry(worker, key));
        await sandbox().eventually(`${key} is in the replica of ${worker.url}`, async () => {
          const { status, text } = await worker.http.get(`/v1/kv/${key}?consistency=stale`);
          if (status !== 200) return false;
          expect(text).toBe(valueOf(key));
          return true;
        });
      }
    }
  }
});

function valueOf(key: string): string {
  return `${key.slice('filled-'.length)} `.padEnd(VALUE_BYTES, 'x');
}

/** @returns whether the value was given. */
async function expectTrueOrRetry({ http }: App, key: string): Promise<boolean> {
  const { status, text } = await http.get(`/v1/kv/${key}`);
  if (status === 503) return false;
  expect([status, text]).toEqual([200, valueOf(key)]);
  return true;
}

async function largest(database: string, ending: string): Promise<string> {
  const files = (await readdir(database)).filter((name) => name.endsWith(ending));
  const sized = await Promise.all(
    files.map(async (name) => ({ name, size: (await readFile(path.join(database, name))).length })),
  );
  const [first] = sized.sort((a, b) => b.size - a.size);
  if (first === undefined || first.size === 0) throw new Error(`There is no ${ending} in ${database}.`);
  return path.join(database, first.name);
}

async function metric({ http }: App, name: string): Promise<number> {
  const { text } = await http.get('/metrics');
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}
