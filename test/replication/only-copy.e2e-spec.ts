/**
 * The only copy that is left has a damaged record, and more copies are demanded than there are: what is sound is
 * served, and the steps of docs/guarantees.md ("Two damaged replicas at once") lead out of it.
 */
import { rm } from 'node:fs/promises';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { type App, useSandbox } from '@diststore/testing';

import { changeARecord } from './change-a-record.js';
import { fill, known, partitionsOf, startThree, untilWhole } from './cluster.js';

const sandbox = useSandbox('all');

const WORKERS = [1, 2, 3];
const PARTITIONS = 1;
const KEYS = 40;
const VALUE_BYTES = 64 * 1024;
/** Less than all records: who has nothing needs a whole copy. */
const LOG_BYTES = 1024 * 1024;

describe('the only copy that is left, of three, with a damaged record', () => {
  let master: App;
  let workers: App[];
  let damaged: string;
  const keeper = (): App => known(workers[0]);
  const put = async (key: string): Promise<{ status: number; code: string | undefined }> => {
    const { status, text } = await keeper().http.put(`/v1/kv/${key}`, 'anew');
    return { status, code: status < 300 ? undefined : (JSON.parse(text) as { code: string }).code };
  };

  beforeAll(async () => {
    ({ master, workers } = await startThree(sandbox(), {
      masterFlags: [`--partitions=${PARTITIONS}`],
      workerFlags: [`--log-budget-bytes=${LOG_BYTES}`],
    }));
    await fill(keeper().http, { keys: KEYS, valueBytes: VALUE_BYTES });
    await Promise.all(workers.map(({ process }) => process.kill()));
    const [kept, ...lost] = WORKERS.map((index) => sandbox().path('data', `worker-${index}`));
    for (const directory of lost) await rm(directory, { recursive: true });
    damaged = await changeARecord(`${known(kept)}/db`, PARTITIONS);
    workers = await Promise.all(workers.map((worker) => sandbox().startAgain(worker)));
  });

  it('serves its other records, and takes no writes', async () => {
    const { 1: named } = await keeper().process.untilPrints(
      /A snapshot of partition 0 .* failed.*: The record of key "(.+)" is damaged/,
    );
    expect(named).toBe(damaged);
    const copies = (await partitionsOf(master)).map(({ replicas }) => replicas);
    expect(copies).toEqual([[1]]);
    const answer = await keeper().http.get(`/v1/kv/${damaged}`);
    expect([answer.status, answer.json()]).toEqual([
      500,
      expect.objectContaining({ code: 'record-corrupt' }),
    ]);
    const sound = await keeper().http.get(`/v1/kv/filled-${KEYS - 1}`);
    expect([sound.status, sound.text.length]).toEqual([200, VALUE_BYTES]);
    expect(await put(damaged)).toEqual({ status: 503, code: 'too-few-replicas' });
  });

  it('takes a new value once fewer copies are demanded, and is then copied', async () => {
    await startMaster(2);
    await master.process.untilPrints(/Lowered the number of copies that writes need to 1/);
    await sandbox().eventually('the record is written anew', async () => (await put(damaged)).status === 200);
    await untilWhole(sandbox(), master, 2);
    await startMaster(3);
    await untilWhole(sandbox(), master, WORKERS.length);
    for (const { http } of workers) {
      expect((await http.get(`/v1/kv/${damaged}?consistency=stale`)).text).toBe('anew');
      for (let i = 0; i < KEYS; i += 1) {
        const key = `filled-${i}`;
        if (key === damaged) continue;
        const { status, text } = await http.get(`/v1/kv/${key}?consistency=stale`);
        expect([key, status, text]).toEqual([key, 200, `${i} `.padEnd(VALUE_BYTES, 'x')]);
      }
    }
    expect(await put('meanwhile')).toEqual({ status: 201, code: undefined });
  });

  async function startMaster(replicationFactor: number): Promise<void> {
    await master.process.stop();
    master = await sandbox().startAgain(master, [`--replication-factor=${replicationFactor}`]);
  }
});
