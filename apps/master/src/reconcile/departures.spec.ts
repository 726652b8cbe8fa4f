import { afterEach, describe, expect, it } from '@jest/globals';
import { workerIndex } from '@diststore/cluster';
import { MemoryStorage } from '@diststore/storage';

import { hashed, SILENT_AFTER_MS, TestMaster, type TestMasterOptions } from '../../test/test-master.js';

const open: TestMaster[] = [];

async function start(workers: readonly number[], options: TestMasterOptions = {}): Promise<TestMaster> {
  const master = await TestMaster.start({ formation: hashed(4, 1), ...options });
  open.push(master);
  for (const worker of workers) await master.join(worker);
  return master;
}

describe('Departures', () => {
  afterEach(() => Promise.all(open.splice(0).map((master) => master.stop())));

  it('drains a worker durably, as often as it is asked, and takes it back', async () => {
    const storage = new MemoryStorage();
    const first = await start([1, 2], { storage, bootstrapExpect: 2 });
    const view = { worker: 1, state: 'draining', leaving: true, replicas: 2, primaries: 2 };
    expect(await first.departures.drain(1, true)).toEqual(view);
    expect(await first.departures.drain(1, false)).toEqual(view);
    open.splice(0);
    await first.stop();
    const second = await start([], { storage, boot: 2 });
    expect(second.departures.view(1)).toEqual(view);
    expect(await second.departures.stay(1)).toMatchObject({ state: 'active', leaving: false });
  });

  it('does not remove a worker that still holds something, and stops it before it is removed', async () => {
    const master = await start([1, 2], { bootstrapExpect: 2 });
    await master.departures.drain(1, true);
    await master.departures.removeDrained();
    expect(master.stoppedWorkers).toEqual([]);
    expect(master.state.map.worker(workerIndex(1))?.state).toBe('draining');
  });

  it('refuses to drain what nobody could take, and does it by force', async () => {
    const master = await start([1, 2]);
    const refused = { code: 'bad-parameter', facts: { parameter: 'force', worker: 1 } };
    master.clock.nowMs += SILENT_AFTER_MS + 1;
    await master.registry.updatePresences();
    await expect(master.departures.drain(1, true)).rejects.toMatchObject(refused);
    await expect(master.departures.drain(9, true)).rejects.toMatchObject({ code: 'worker-not-found' });
    expect(await master.departures.remove(1)).toMatchObject({ state: 'removed', replicas: 4 });
    expect(master.stoppedWorkers).toEqual([1]);
    expect(await master.departures.drain(1, true)).toMatchObject({ state: 'removed' });
  });

  it('moves nothing under local, so it drains nobody there', async () => {
    const master = await start([1, 2], { formation: { placement: 'local' } });
    await expect(master.departures.drain(1, false)).rejects.toMatchObject({ code: 'bad-parameter' });
    expect(await master.departures.remove(1)).toMatchObject({ state: 'removed', replicas: 1 });
  });
});
