/** A master whose data is older than the cluster's: how it finds out, what it does not do then, and how it recovers. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { PartitionConfiguration, PartitionId, Report, WorkerIndex } from '@diststore/cluster';
import { generation, partitionId, proposalId, removalOf, secondaries, workerIndex } from '@diststore/cluster';
import type { MetadataStore } from '@diststore/metadata';
import { MemoryStorage } from '@diststore/storage';

import {
  copyOf,
  hashed,
  knownOn,
  reportOf,
  STARTUP_QUIET_MS,
  storeOf,
  TestMaster,
  type TestMasterOptions,
} from '../../test/test-master.js';

const open: TestMaster[] = [];
const WORKERS = [1, 2, 3];
const P0 = partitionId(0);

async function start(options: TestMasterOptions = {}): Promise<TestMaster> {
  const master = await TestMaster.start({ formation: hashed(2, 3), bootstrapExpect: 3, ...options });
  open.push(master);
  return master;
}

async function stop(master: TestMaster): Promise<void> {
  open.splice(open.indexOf(master), 1);
  await master.stop();
}

/** The primary of partition 0 has a secondary removed. @returns who was removed */
async function removeSecondary(master: TestMaster): Promise<WorkerIndex> {
  const configuration = master.state.map.configurationOf(P0);
  const [leaving] = configuration === undefined ? [] : secondaries(configuration);
  if (configuration === undefined || leaving === undefined) throw new Error('nobody to remove');
  const { gen, epoch, primary: by } = configuration;
  const id = proposalId(`remove-${epoch}`);
  const base = { partition: P0, expect: { gen, epoch }, proposalId: id, by } as const;
  await master.propose({ ...base, kind: 'remove', next: removalOf(configuration, [leaving]) });
  return leaving.worker;
}

interface Restored {
  readonly master: TestMaster;
  readonly storage: MemoryStorage;
  /** What each worker has installed, from before. */
  readonly known: ReadonlyMap<number, PartitionConfiguration[]>;
  readonly removed: WorkerIndex;
}

/** A master on a backup from before a removal that all members of the partition know of. */
async function restored(options: TestMasterOptions = {}): Promise<Restored> {
  const disk = new MemoryStorage();
  const first = await start({ storage: disk });
  for (const worker of WORKERS) await first.join(worker);
  const storage = await copyOf(disk);
  const removed = await removeSecondary(first);
  const before = await copyOf(storage);
  const known = new Map(WORKERS.map((worker) => [worker, knownOn(first.state, worker)]));
  await stop(first);
  return { master: await start({ storage: before, boot: 2, ...options }), storage: before, known, removed };
}

/** A worker that does as it is told: makes the generation durable, and answers with all it knows. */
async function answer(
  master: TestMaster,
  worker: number,
  known: readonly PartitionConfiguration[],
): Promise<void> {
  const { fence } = master.recovery;
  await master.join(worker, { report: reportOf(known, { gen: fence, isWhole: true }) });
}

function onlyOf(
  configurations: readonly PartitionConfiguration[],
  partition: PartitionId,
): PartitionConfiguration {
  const found = configurations.find((each) => each.partition === partition);
  if (found === undefined) throw new Error(`partition ${partition} is not known`);
  return found;
}

describe('Recovery', () => {
  afterEach(() => Promise.all(open.splice(0).map((master) => master.stop())));

  it('trusts its data when the reports know nothing newer', async () => {
    const master = await start();
    for (const worker of WORKERS) await master.join(worker);
    const { version } = master.state.map;
    const map = { gen: generation(1), version };
    for (const worker of WORKERS) {
      const report = reportOf(knownOn(master.state, worker), {
        map,
        master: { boot: 1, nonce: 'a'.repeat(32) },
      });
      await master.join(worker, { boot: 2, report });
    }
    expect(master.recovery.status()).toEqual({ state: 'serving', generation: 1, alarm: null });
    expect(master.alarms).toEqual([]);
  });

  it.each<[string, Partial<Pick<Report, 'map' | 'master'>> & { gen?: number }]>([
    ['a higher generation', { gen: 2 }],
    ['a later version of the map', { map: { gen: generation(1), version: 10_000 } }],
    ['a later start of the master', { master: { boot: 2, nonce: 'b'.repeat(32) } }],
    ['another process of the same start', { master: { boot: 1, nonce: 'b'.repeat(32) } }],
  ])('freezes, with an alarm, on a report of %s', async (_what, news) => {
    const master = await start();
    for (const worker of WORKERS) await master.join(worker);
    const welcomed = await master.join(1, { report: reportOf([], news) });
    expect(master.recovery.status()).toMatchObject({ state: 'frozen', generation: 1 });
    expect(master.alarms).toEqual([expect.stringMatching(/^ALARM: .*worker 1 /)]);
    expect(welcomed).toMatchObject({ generation: (news.gen ?? 1) + 1, configurationsWanted: true });
    await expect(removeSecondary(master)).rejects.toMatchObject({ code: 'retry-later' });
  });

  it('is not impressed by a map of an older generation', async () => {
    const { master, known } = await restored();
    for (const worker of WORKERS) await answer(master, worker, known.get(worker) ?? []);
    for (const worker of WORKERS) await answer(master, worker, known.get(worker) ?? []);
    expect(master.recovery.status().state).toBe('serving');
    const late = reportOf([], { gen: 1, map: { gen: generation(1), version: 10_000 } });
    await master.join(3, { boot: 2, report: late });
    expect(master.recovery.status().state).toBe('serving');
  });

  it('recovers by itself when every store has answered in the new generation, and not before', async () => {
    const { master, storage, known, removed } = await restored();
    const old = master.state.map;
    expect(old.configurationOf(P0)?.insync).toHaveLength(3);
    // The first report of each is in the old generation, and only says that the data is old.
    for (const worker of WORKERS) await master.join(worker, { report: reportOf(known.get(worker) ?? []) });
    expect(master.recovery.status()).toMatchObject({ alarm: { awaiting: WORKERS, nextGeneration: 2 } });
    for (const worker of [1, 2]) await answer(master, worker, known.get(worker) ?? []);
    expect(master.recovery.status()).toMatchObject({ state: 'frozen', alarm: { awaiting: [3] } });
    // A look at the map waits until it can be trusted; a newcomer gets what there is.
    const over = AbortSignal.timeout(20);
    const held = await master.state.newsFor({ version: 1, gen: generation(1) }, () => true, over);
    expect([held.workers, held.partitions]).toEqual([[], []]);

    await answer(master, 3, known.get(3) ?? []);
    expect(master.recovery.status()).toEqual({ state: 'serving', generation: 2, alarm: null });
    const { map } = master.state;
    expect(map.generation).toBe(2);
    const newest = onlyOf([...known.values()].flat(), P0).configuration;
    const rebuilt = map.configurationOf(P0);
    expect(rebuilt).toMatchObject({
      gen: 2,
      epoch: newest.epoch + 1,
      kind: 'recover',
      insync: newest.insync,
    });
    expect(rebuilt?.insync.map(({ worker }) => worker)).not.toContain(removed);
    expect(map.configurationOf(partitionId(1))).toMatchObject({ gen: 2, epoch: 2 });
    expect(map.targetOf(P0)?.rev).toBeGreaterThan(2 ** 32);
    // Whoever has a map of the lost history gets everything, although its version may be higher.
    const news = await master.state.newsFor(
      { version: 10_000, gen: generation(1) },
      () => false,
      AbortSignal.abort(),
    );
    expect(news).toMatchObject({ since: 0, version: map.version });

    await stop(master);
    const again = await start({ storage, boot: 3 });
    expect(again.state.generation).toBe(2);
    expect(again.recovery.status().state).not.toBe('frozen');
    for (const worker of WORKERS) await again.join(worker, { boot: 2, report: reportOf([], { gen: 2 }) });
    await removeSecondary(again);
    expect(again.state.map.configurationOf(P0)).toMatchObject({ gen: 2, epoch: newest.epoch + 2 });
  });

  it('goes on without stores that an operator declares lost, and says what may be lost with them', async () => {
    const { master, known } = await restored();
    await answer(master, 1, known.get(1) ?? []);
    await answer(master, 1, known.get(1) ?? []);
    await answer(master, 2, known.get(2) ?? []);
    expect(master.recovery.status()).toMatchObject({ alarm: { awaiting: [3] } });
    await expect(master.recovery.declareLost([workerIndex(9)])).rejects.toMatchObject({
      code: 'worker-not-found',
    });
    expect(await master.recovery.declareLost([workerIndex(3)])).toEqual({ atRisk: [0, 1] });
    // Still quiet, because the third may yet report.
    expect(master.recovery.status()).toMatchObject({ state: 'starting', generation: 2, alarm: null });
    // Back after all, it has older configurations than the rebuilt ones, and refuses its own from now on.
    const welcomed = await master.join(3, { report: reportOf(known.get(3) ?? []) });
    expect(welcomed).toMatchObject({ generation: 2, configurationsWanted: false });
  });

  it('waits for a worker that only the reports know, and does not take a new disk for the old one', async () => {
    const disk = new MemoryStorage();
    const first = await start({ storage: disk });
    for (const worker of WORKERS) await first.join(worker);
    const backup = await copyOf(disk);
    const known = WORKERS.map((worker) => knownOn(first.state, worker));
    await stop(first);
    const master = await start({ storage: backup, boot: 2 });
    // After the backup a fourth worker took the place of the third in partition 0.
    const { configuration } = onlyOf(known[0] ?? [], P0);
    const [kept, other] = configuration.insync;
    if (kept === undefined || other === undefined) throw new Error('not replicated');
    const fourth = { ...kept, worker: workerIndex(4), store: storeOf(4) };
    const newer = { ...configuration, epoch: (configuration.epoch + 2) as typeof configuration.epoch };
    const moved = { partition: P0, configuration: { ...newer, primary: kept, insync: [kept, fourth] } };
    for (const [i, worker] of WORKERS.entries()) {
      const rest = (known[i] ?? []).filter(({ partition }) => partition !== P0);
      await answer(master, worker, [moved, ...rest]);
      await answer(master, worker, [moved, ...rest]);
    }
    expect(master.recovery.status()).toMatchObject({ state: 'frozen', alarm: { awaiting: [4] } });
    await master.join(4, { store: storeOf(4, 2), report: reportOf([], { gen: 2, isWhole: true }) });
    expect(master.recovery.status()).toMatchObject({ state: 'frozen', alarm: { awaiting: [4] } });
    await master.recovery.declareLost([workerIndex(4)]);
    expect(master.state.map.configurationOf(P0)).toMatchObject({ gen: 2, insync: [kept, fourth] });
  });

  it('begins again in a higher generation when a recovery did not come to its end', async () => {
    let isCut = true;
    const cut = (store: MetadataStore): MetadataStore => {
      const commit = store.commit.bind(store);
      store.commit = (compares, changes) =>
        isCut && changes.some((change) => change.name === 'generation')
          ? Promise.reject(new Error('killed'))
          : commit(compares, changes);
      return store;
    };
    const { master, storage, known } = await restored({ wrap: cut });
    for (const worker of [...WORKERS, ...WORKERS]) await answer(master, worker, known.get(worker) ?? []);
    expect(master.recovery.status()).toMatchObject({ state: 'frozen', generation: 1 });
    await stop(master);
    isCut = false;
    const again = await start({ storage, boot: 3 });
    expect(again.recovery.status()).toMatchObject({ state: 'frozen', alarm: { nextGeneration: 3 } });
    for (const worker of WORKERS) await answer(again, worker, known.get(worker) ?? []);
    expect(again.recovery.status()).toMatchObject({ state: 'serving', generation: 3 });
    expect(again.state.map.generation).toBe(3);
  });

  it('can be told that its data is a backup, when no report shows it', async () => {
    const master = await start();
    for (const worker of WORKERS) await master.join(worker);
    master.recovery.declareRestored();
    for (const worker of WORKERS) await answer(master, worker, knownOn(master.state, worker));
    expect(master.recovery.status()).toMatchObject({ state: 'serving', generation: 2 });
  });

  it('creates nothing while it may only not know what there is', async () => {
    const master = await start({ formation: { placement: 'local' }, bootstrapExpect: 1 });
    const other = await start({ formation: { placement: 'local' }, bootstrapExpect: 1 });
    await other.join(2);
    await master.join(2, { report: reportOf(knownOn(other.state, 2)) });
    expect(master.recovery.status().state).toBe('frozen');
    expect(master.state.map.partitionRecords()).toEqual([]);
    await answer(master, 2, knownOn(other.state, 2));
    expect(master.state.map.configurationOf(partitionId(2))).toMatchObject({ gen: 2, epoch: 2 });
  });

  describe('of a cluster that is taken over', () => {
    /** A new master on an empty directory, and what the workers of the old one know. */
    async function takenOver(): Promise<{ master: TestMaster; known: PartitionConfiguration[][] }> {
      const first = await start({ formation: hashed(6, 1) });
      for (const worker of WORKERS) await first.join(worker);
      const known = WORKERS.map((worker) => knownOn(first.state, worker));
      expect(known.every((of) => of.length > 0)).toBe(true);
      const { clusterId: takeOver } = first.state.map.settings;
      await stop(first);
      const master = await start({ formation: { ...hashed(6, 1), takeOver }, bootstrapExpect: 1 });
      expect(master.state.map.settings.clusterId).toBe(takeOver);
      return { master, known };
    }

    it('creates nothing before it has heard of every partition, whoever comes first', async () => {
      const { master, known } = await takenOver();
      await master.join(9);
      await answer(master, 9, []);
      expect(master.recovery.status()).toMatchObject({
        state: 'frozen',
        alarm: { awaiting: [], unreported: 6 },
      });
      await answer(master, 1, known[0] ?? []);
      await answer(master, 2, known[1] ?? []);
      const unreported = known[2]?.length;
      expect(master.recovery.status()).toMatchObject({
        state: 'frozen',
        alarm: { awaiting: [], unreported },
      });
      expect(master.state.map.partitionRecords()).toEqual([]);
      await answer(master, 3, known[2] ?? []);
      expect(master.recovery.status()).toMatchObject({ state: 'serving', generation: 2, alarm: null });
      for (const { partition, configuration } of known.flat()) {
        const { insync } = configuration;
        expect(master.state.map.configurationOf(partition)).toMatchObject({ gen: 2, insync });
        const replicas = insync.map(({ worker }) => worker);
        expect(master.state.map.targetOf(partition)).toMatchObject({ replicas });
        // Above every revision of the targets that were lost.
        expect(master.state.map.targetOf(partition)?.rev).toBeGreaterThan(2 ** 32);
      }
      expect(master.state.isTakingOver).toBe(false);
    });

    it('creates what nobody tells of when an operator says that it is lost, and nothing else', async () => {
      const { master, known } = await takenOver();
      await answer(master, 1, known[0] ?? []);
      await answer(master, 2, known[1] ?? []);
      master.recovery.declarePartitionsLost();
      await master.recovery.proceed();
      await master.creator.run();
      const { map } = master.state;
      expect(map.formed).toBe(true);
      for (const [i, of] of known.entries())
        for (const { partition } of of)
          expect(map.configurationOf(partition)?.kind).toBe(i === 2 ? 'create' : 'recover');
    });

    it('refuses, but does not end, a worker that shows that the number of partitions is wrong', async () => {
      const { master, known } = await takenOver();
      const { clusterId: takeOver } = master.state.map.settings;
      const wrong = await start({ formation: { ...hashed(2, 1), takeOver } });
      await expect(wrong.join(1, { report: reportOf(known.flat()) })).rejects.toMatchObject({
        code: 'worker-refused',
        facts: { final: false },
        message: expect.stringContaining('--partitions'),
      });
    });
  });

  it('refuses a worker with partitions that the cluster cannot have', async () => {
    const master = await start();
    const report = reportOf([]);
    const [ver] = [{ gen: generation(1), epoch: 1 as never }];
    const strange = { ...report, installed: [{ partition: partitionId(2), ver }] } as Report;
    await expect(master.join(1, { report: strange })).rejects.toMatchObject({ code: 'worker-refused' });
    expect(master.state.map.workers()).toEqual([]);
  });

  it('is quiet for a while after a start, even when nobody says anything', async () => {
    const storage = new MemoryStorage();
    const first = await start({ storage });
    for (const worker of WORKERS) await first.join(worker);
    await stop(first);
    const master = await start({ storage, boot: 2 });
    expect(master.recovery.status().state).toBe('starting');
    master.clock.nowMs += STARTUP_QUIET_MS;
    expect(master.recovery.status().state).toBe('serving');
  });
});
