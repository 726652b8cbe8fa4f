import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ClusterId, Heartbeat, Registration, StoreId } from '@diststore/cluster';
import { MemoryStorage } from '@diststore/storage';

import { LevelMetadataStore, type MetadataStore } from '@diststore/metadata';

import { ClusterState } from '../cluster/cluster-state.js';
import { Recovery } from '../configuration/recovery.js';
import { WorkerRegistry } from './worker-registry.js';

const HEARTBEAT_MS = 1000;
const SILENT_AFTER_MS = 3000;
const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };

const clock = {
  nowMs: 1_000_000,
  wallNowMs: () => clock.nowMs,
  monotonicNowMs: () => clock.nowMs,
};

const master = { boot: 1, nonce: '0'.repeat(32) };

const storeA = 'a'.repeat(32) as StoreId;
const storeB = 'b'.repeat(32) as StoreId;

function asking(change: Partial<Registration> = {}): Registration {
  const http = { host: '127.0.0.1', port: 5001 };
  const labels = { host: 'a', zone: '' };
  return {
    store: storeA,
    boot: 1,
    nonce: '1'.repeat(16),
    earlier: [],
    clusterId: null,
    pid: 4711,
    http,
    labels,
    weight: 1,
    ...change,
  };
}

function reporting(change: Partial<Heartbeat> = {}): Heartbeat {
  return { store: storeA, boot: 1, nonce: '1'.repeat(16), state: 'serving', keys: 3, bytes: 30, ...change };
}

describe('WorkerRegistry', () => {
  let storage: MemoryStorage;
  let store: MetadataStore;
  let state: ClusterState;
  let registry: WorkerRegistry;

  async function startMaster(): Promise<void> {
    store = await LevelMetadataStore.open(storage, { clock });
    state = await ClusterState.open(store, { placement: 'local' }, (error) => {
      throw error;
    });
    const recovery = new Recovery(state, clock, quiet, { master, startupQuietMs: 3000 });
    const options = {
      heartbeatMs: HEARTBEAT_MS,
      silentAfterMs: SILENT_AFTER_MS,
      timing: 'fast',
      master,
    } as const;
    registry = new WorkerRegistry(state, clock, quiet, recovery, options);
  }

  async function stopMaster(): Promise<void> {
    await state.close();
    await store.close();
  }

  async function restartMaster(): Promise<void> {
    await stopMaster();
    await startMaster();
  }

  beforeEach(async () => {
    storage = new MemoryStorage();
    await startMaster();
  });

  afterEach(stopMaster);

  it('welcomes a new worker with the cluster id and the pace of its reports', async () => {
    const redisCluster = { host: '::1', port: 7001 };
    expect(await registry.register(1, asking({ redisCluster }))).toEqual({
      clusterId: state.map.settings.clusterId,
      heartbeatMs: HEARTBEAT_MS,
      generation: 1,
      master,
      timing: 'fast',
      configurationsWanted: false,
    });
    expect(registry.view(1)).toMatchObject({
      index: 1,
      state: 'starting',
      urls: { http: 'http://127.0.0.1:5001', redis: null, redisCluster: 'redis://[::1]:7001' },
    });
  });

  it('shows what the last report said, and silence after silentAfterMs without one', async () => {
    await registry.register(1, asking());
    expect(registry.heartbeat(1, reporting())).toEqual({
      generation: 1,
      configurationsWanted: false,
      clusterStopping: false,
    });
    expect(registry.view(1)).toMatchObject({ state: 'serving', keys: 3, bytes: 30 });
    clock.nowMs += SILENT_AFTER_MS;
    expect(registry.view(1)?.state).toBe('serving');
    clock.nowMs += 1;
    expect(registry.view(1)?.state).toBe('silent');
    expect(registry.heartbeat(1, reporting({ state: 'draining' }))).toBeDefined();
    expect(registry.view(1)?.state).toBe('draining');
  });

  it('takes no report from a process that is not the registered one', async () => {
    expect(registry.heartbeat(1, reporting())).toBeUndefined();
    await registry.register(1, asking());
    expect(registry.heartbeat(1, reporting({ nonce: '2'.repeat(16) }))).toBeUndefined();
    expect(registry.heartbeat(1, reporting({ boot: 2 }))).toBeUndefined();
    expect(registry.heartbeat(2, reporting())).toBeUndefined();
  });

  it('remembers members and the cluster id over a restart, but not that they were heard', async () => {
    await registry.register(1, asking());
    const { clusterId } = state.map.settings;
    await restartMaster();
    expect(state.map.settings.clusterId).toBe(clusterId);
    expect(registry.view(1)?.state).toBe('unheard');
    expect(registry.heartbeat(1, reporting())).toBeUndefined();
    await registry.register(1, asking({ clusterId }));
    registry.heartbeat(1, reporting());
    expect(registry.view(1)?.state).toBe('serving');
  });

  it.each([
    ['another store while the first is alive', asking({ store: storeB }), false],
    ['an older boot of the store', asking({ boot: 0 }), true],
    ['the same boot in another process: a disk rolled back', asking({ nonce: '2'.repeat(16) }), true],
    ['a store of another cluster', asking({ clusterId: 'c'.repeat(32) as ClusterId }), true],
  ])('refuses %s', async (_what, second, final) => {
    await registry.register(1, asking());
    await expect(registry.register(1, second)).rejects.toMatchObject({
      code: 'worker-refused',
      facts: { final },
    });
    expect(registry.view(1)).toMatchObject({ storeId: storeA, boot: 1 });
  });

  it('lets an empty disk have the index of a worker that is silent', async () => {
    await registry.register(1, asking());
    clock.nowMs += SILENT_AFTER_MS + 1;
    await registry.register(1, asking({ store: storeB }));
    expect(registry.view(1)?.storeId).toBe(storeB);
  });

  it('does not give an index away right after its own start, before a live holder could speak', async () => {
    await registry.register(1, asking());
    await restartMaster();
    await expect(registry.register(1, asking({ store: storeB }))).rejects.toMatchObject({
      code: 'worker-refused',
    });
    clock.nowMs += SILENT_AFTER_MS;
    await registry.register(1, asking({ store: storeB }));
  });

  it('admits one of two stores that ask for one index at the same time', async () => {
    const answers = await Promise.allSettled([
      registry.register(1, asking()),
      registry.register(1, asking({ store: storeB })),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('wakes who waits for a state, and lets go at the signal', async () => {
    const over = new AbortController();
    const waits = registry.reported.until(() => registry.view(1)?.keys === 3, over.signal);
    await registry.register(1, asking());
    registry.heartbeat(1, reporting());
    expect(await waits).toBe(true);
    const inVain = registry.reported.until(() => false, over.signal);
    over.abort();
    expect(await inVain).toBe(false);
  });

  it('raises the version of the map with every change, and not with a repeated registration', async () => {
    await registry.register(1, asking());
    const { version } = state.map;
    await registry.register(1, asking());
    expect(state.map.version).toBe(version);
    await registry.setSupervised(1, true);
    expect(state.map.version).toBe(version + 1);
  });

  it('says in the map that a worker is down when it is silent, and up when it reports again', async () => {
    await registry.register(1, asking());
    clock.nowMs += SILENT_AFTER_MS + 1;
    await registry.updatePresences();
    expect(state.map.workers()).toMatchObject([{ index: 1, presence: 'down' }]);
    registry.heartbeat(1, reporting());
    await registry.updatePresences();
    expect(state.map.workers()).toMatchObject([{ index: 1, presence: 'up' }]);
  });

  it('keeps a drain over a restart of the worker, and the addresses that it registers last', async () => {
    await registry.register(1, asking());
    await registry.setState(1, 'draining', true);
    const redisCluster = { host: '127.0.0.1', port: 7001 };
    await registry.register(1, asking({ boot: 2, redisCluster }));
    expect(state.map.workers()).toMatchObject([
      { state: 'draining', boot: 2, redisCluster, redisGateway: null },
    ]);
    expect(state.member(1)?.leaving).toBe(true);
    const redisGateway = { host: '127.0.0.1', port: 8001 };
    await registry.register(1, asking({ boot: 2, redisGateway }));
    expect(state.map.workers()).toMatchObject([{ redisCluster: null, redisGateway }]);
  });

  it('lets a removed worker in again after a new start, not the process that was removed', async () => {
    await registry.register(1, asking());
    await registry.setState(1, 'removed', false);
    expect(registry.heartbeat(1, reporting())).toBeUndefined();
    expect(registry.views()).toEqual([]);
    await expect(registry.register(1, asking())).rejects.toMatchObject({
      code: 'worker-refused',
      facts: { final: true },
    });
    await registry.register(1, asking({ boot: 2 }));
    expect(state.map.workers()).toMatchObject([{ state: 'active' }]);
  });

  it('announces the stop of the cluster in every answer', async () => {
    await registry.register(1, asking());
    registry.announceStop();
    expect(registry.heartbeat(1, reporting({ state: 'draining' }))).toMatchObject({ clusterStopping: true });
  });
});
