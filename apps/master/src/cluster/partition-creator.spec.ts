import { afterEach, describe, expect, it } from '@jest/globals';
import type { Registration, StoreId } from '@diststore/cluster';
import { LevelMetadataStore, type MetadataStore } from '@diststore/metadata';
import { MemoryStorage } from '@diststore/storage';

import { WorkerRegistry } from '../registry/worker-registry.js';
import { Recovery } from '../configuration/recovery.js';
import { ClusterState } from './cluster-state.js';
import type { Formation } from './formation.js';
import { PartitionCreator } from './partition-creator.js';

const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };
const clock = { wallNowMs: () => 1000, monotonicNowMs: () => 1000 };
const hashed: Formation = { placement: 'hashed', partitionCount: 200, replicationFactor: 1 };

interface Master {
  readonly store: MetadataStore;
  readonly state: ClusterState;
  join(index: number): Promise<void>;
}

const open: Master[] = [];

async function startMaster(
  storage: MemoryStorage,
  formation: Formation,
  bootstrapExpect: number,
): Promise<Master> {
  const store = await LevelMetadataStore.open(storage, { clock });
  const state = await ClusterState.open(store, formation, (error) => {
    throw error;
  });
  const start = { boot: 1, nonce: '0'.repeat(32) };
  const recovery = new Recovery(state, clock, quiet, { master: start, startupQuietMs: 3000 });
  const times = { heartbeatMs: 1000, silentAfterMs: 3000, timing: 'default' } as const;
  const registry = new WorkerRegistry(state, clock, quiet, recovery, { ...times, master: start });
  const creator = new PartitionCreator(state, quiet, bootstrapExpect, () => recovery.refusal());
  const master = {
    store,
    state,
    join: async (index: number): Promise<void> => {
      await registry.register(index, registrationOf(index));
      await creator.run();
    },
  };
  open.push(master);
  return master;
}

function registrationOf(index: number): Registration {
  const store = index.toString(16).padStart(32, '0') as StoreId;
  const http = { host: '127.0.0.1', port: 5000 + index };
  return {
    store,
    boot: 1,
    nonce: '1'.repeat(16),
    earlier: [],
    clusterId: null,
    pid: 1,
    http,
    labels: { host: '', zone: '' },
    weight: 1,
  };
}

async function stop({ state, store }: Master): Promise<void> {
  await state.close();
  await store.close();
}

describe('PartitionCreator', () => {
  afterEach(() => Promise.all(open.splice(0).map(stop)));

  it('waits for the expected workers, then spreads every partition evenly over them, once', async () => {
    const master = await startMaster(new MemoryStorage(), hashed, 3);
    await master.join(1);
    await master.join(2);
    expect(master.state.map.partitionRecords()).toEqual([]);
    await master.join(3);
    const { map } = master.state;
    expect(map.formed).toBe(true);
    const counts = map.workers().map(({ index }) => map.partitionsOf(index).primary.length);
    expect(counts.reduce((sum, count) => sum + count)).toBe(200);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    await master.join(4);
    expect(master.state.map.partitionsOf(registeredIndex(master, 4)).primary).toEqual([]);
  });

  it('gives each worker a partition of its own under local', async () => {
    const master = await startMaster(new MemoryStorage(), { placement: 'local' }, 1);
    await master.join(2);
    await master.join(7);
    expect(
      master.state.map
        .partitionRecords()
        .map(({ partition, configuration }) => [partition, configuration?.primary.worker]),
    ).toEqual([
      [2, 2],
      [7, 7],
    ]);
  });

  it('shows the same map after a restart of the master', async () => {
    const storage = new MemoryStorage();
    const first = await startMaster(storage, hashed, 1);
    await first.join(1);
    const before = first.state.map.deltaSince(0);
    await stop(first);
    const second = await startMaster(storage, hashed, 1);
    expect(second.state.map.deltaSince(0)).toEqual(before);
  });

  it('says that the cluster is formed although an earlier master ended just before it could', async () => {
    const storage = new MemoryStorage();
    const first = await startMaster(storage, hashed, 1);
    first.state.markFormed = () => Promise.reject(new Error('killed'));
    await expect(first.join(1)).rejects.toThrow('killed');
    await stop(first);
    const second = await startMaster(storage, hashed, 1);
    expect(second.state.map.formed).toBe(false);
    await second.join(1);
    expect(second.state.map.formed).toBe(true);
  });

  it('counts a worker that was down as soon as it registers again', async () => {
    const storage = new MemoryStorage();
    const first = await startMaster(storage, hashed, 2);
    await first.join(1);
    const [worker] = first.state.map.workers();
    if (worker !== undefined) await first.state.saveWorker({ ...worker, presence: 'down' });
    await stop(first);
    const second = await startMaster(storage, hashed, 2);
    await second.join(1);
    await second.join(2);
    expect(second.state.map.formed).toBe(true);
  });

  it('refuses to run a cluster with a placement it was not formed with', async () => {
    const storage = new MemoryStorage();
    await stop(await startMaster(storage, hashed, 1));
    await expect(startMaster(storage, { placement: 'local' }, 1)).rejects.toMatchObject({
      code: 'bad-parameter',
    });
  });
});

function registeredIndex({ state }: Master, index: number) {
  const worker = state.map.workers().find((one) => (one.index as number) === index);
  if (worker === undefined) throw new Error(`worker ${index} is not registered`);
  return worker.index;
}
