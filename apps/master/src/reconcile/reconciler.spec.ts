import { afterEach, describe, expect, it } from '@jest/globals';
import { admissionOf, incarnation, partitionId, proposalId, workerIndex } from '@diststore/cluster';

import { hashed, storeOf, TestMaster } from '../../test/test-master.js';

const open: TestMaster[] = [];

describe('Reconciler', () => {
  afterEach(() => Promise.all(open.splice(0).map((master) => master.stop())));

  it('counts the replicas that were copied, and not those whose target was withdrawn before', async () => {
    const master = await TestMaster.start({ formation: hashed(4, 2) });
    open.push(master);
    const moves = async (): Promise<{ toGo: number; done: number }> => {
      await master.reconciler.run();
      const { replicasToGo, replicasDone } = master.reconciler.view();
      return { toGo: replicasToGo, done: replicasDone };
    };
    await master.join(1);
    expect(await moves()).toEqual({ toGo: 0, done: 0 });
    await master.join(2);
    expect(await moves()).toEqual({ toGo: 4, done: 0 });
    await master.departures.drain(2, false);
    expect(await moves()).toEqual({ toGo: 0, done: 0 });
    await master.departures.stay(2);
    expect(await moves()).toEqual({ toGo: 4, done: 0 });
    await admit(master, 2);
    expect(await moves()).toEqual({ toGo: 3, done: 1 });
  });
});

/** As the primary of the first partition does when the worker has caught up. */
async function admit(master: TestMaster, worker: number): Promise<void> {
  const partition = partitionId(0);
  const configuration = master.state.map.configurationOf(partition);
  if (configuration === undefined) throw new Error('The partition should be there.');
  const { gen, epoch, primary } = configuration;
  const joining = {
    worker: workerIndex(worker),
    store: storeOf(worker),
    incarnation: incarnation('b'.repeat(16)),
  };
  const decision = await master.propose({
    ...{ partition, kind: 'add', by: primary, proposalId: proposalId('add') },
    expect: { gen, epoch },
    next: admissionOf(configuration, [joining]),
  });
  expect(decision.answer).toBe('accepted');
}
