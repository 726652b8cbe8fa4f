/**
 * Disks that forget and disks that change: whatever is lost or damaged on one worker is never served, and comes back
 * from the others without an operator. How much is sent again depends on how much can still be told apart: the missing
 * end of a log comes as entries, a damaged record costs its partition's replica, a damaged file of LevelDB (which may
 * hold anything) the store.
 */
import { readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';

import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type App, flipByte, useSandbox } from '@diststore/testing';

import { identityOf } from '../e2e/cluster-views.js';
import { changeARecord } from './change-a-record.js';
import { fill, known, startThree, untilWhole } from './cluster.js';

const sandbox = useSandbox('all');

const VICTIM = 3;
const REPLICAS = 3;
const PARTITIONS = 8;
const KEYS = 120;
const VALUE_BYTES = 8 * 1024;
/** Some of every partition. */
const SAMPLE = Array.from({ length: KEYS / 4 }, (_, i) => `filled-${4 * i}`);

/** What was answered that is neither the true value nor a refusal. */
const wrong: string[] = [];

describe('a cluster of three with', () => {
  let master: App;
  let workers: App[];
  const victim = (): App => known(workers[VICTIM - 1]);
  const directory = (): string => sandbox().path('data', `worker-${VICTIM}`);
  const database = (): string => path.join(directory(), 'db');

  beforeAll(async () => {
    ({ master, workers } = await startThree(sandbox(), {
      masterFlags: [`--partitions=${PARTITIONS}`, `--replication-factor=${REPLICAS}`],
      // A small memory table, so that there are tables.
      workerFlags: ['--write-buffer-bytes=1048576', '--log-budget-bytes=16777216'],
    }));
    await fill(known(workers[0]).http, { keys: KEYS, valueBytes: VALUE_BYTES });
  });

  beforeEach(async () => {
    await untilWhole(sandbox(), master, REPLICAS);
    await untilEverythingIsThere();
  });

  afterEach(() => {
    expect(wrong.splice(0)).toEqual([]);
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
    const { http } = victim();
    await sandbox().eventually('its record was met, and is right again', async () => {
      for (const worker of workers) await isGiven(worker, damaged);
      return isGiven(victim(), damaged, 'stale');
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
    const copies = await snapshotsOf(others);
    await startVictim();
    await untilEverythingIsThere();
    expect((await identityOf(victim().http)).storeId).toBe(storeId);
    expect(await metric(victim(), 'diststore_quarantines_total')).toBe(0);
    expect(await snapshotsOf(others)).toBe(copies);
  });

  /**
   * It may have to wait until the others have noticed that it is gone. Until it is made whole again everybody is asked,
   * also for what the replicas here have.
   */
  async function startVictim(): Promise<void> {
    workers[VICTIM - 1] = await sandbox().startAgain(victim());
    const over = new AbortController();
    const whole = untilWhole(sandbox(), master, REPLICAS).finally(() => over.abort());
    await Promise.all([whole, askUntil(over.signal)]);
  }

  async function askUntil(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      for (const key of SAMPLE) {
        for (const worker of workers) await isGiven(worker, key);
        await isGiven(victim(), key, 'stale');
      }
    }
  }

  /** Every value as it should be: by the primary, whoever is asked, and in every worker's own replicas. */
  async function untilEverythingIsThere(): Promise<void> {
    for (let i = 0; i < KEYS; i += 1) {
      const key = `filled-${i}`;
      for (const worker of workers) {
        await sandbox().eventually(`${key} is there`, () => isGiven(worker, key));
        await sandbox().eventually(`${key} is in the replica of ${worker.url}`, () =>
          isGiven(worker, key, 'stale'),
        );
      }
    }
  }
});

function valueOf(key: string): string {
  return `${key.slice('filled-'.length)} `.padEnd(VALUE_BYTES, 'x');
}

/** @returns whether it was, and by the replica that is there itself if it may be stale. Notes what is wrong. */
async function isGiven({ http, url }: App, key: string, consistency = 'linearizable'): Promise<boolean> {
  const { status, text, headers } = await http.get(`/v1/kv/${key}?consistency=${consistency}`);
  if (status === 503) return false;
  if (status !== 200 || text !== valueOf(key))
    wrong.push(`${url} for ${key}, ${consistency}: ${status} ${text.slice(0, 100)}`);
  return headers['diststore-consistency'] === consistency;
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

function snapshotsOf(workers: readonly App[]): Promise<number> {
  const counts = workers.map((worker) => metric(worker, 'diststore_snapshots_total'));
  return Promise.all(counts).then((each) => each.reduce((sum, count) => sum + count, 0));
}

/** Over all its labels. */
async function metric({ http }: App, name: string): Promise<number> {
  const { text } = await http.get('/metrics');
  const samples = text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm'));
  return Array.from(samples, ([, value]) => Number(value)).reduce((sum, value) => sum + value, 0);
}
