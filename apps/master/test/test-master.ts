/** A master without HTTP, processes and waiting: its parts on memory storage, with a clock that the test moves. */
import type {
  ClusterId,
  Decision,
  PartitionConfiguration,
  Proposal,
  Registration,
  Report,
  StoreId,
  Welcomed,
  WorkerIndex,
} from '@diststore/cluster';
import { decide, generation, memberOf, storeId, workerIndex } from '@diststore/cluster';
import { LevelMetadataStore, type MetadataStore } from '@diststore/metadata';
import type { Storage } from '@diststore/storage';
import { MemoryStorage } from '@diststore/storage';

import { ClusterState } from '../src/cluster/cluster-state.js';
import type { Formation } from '../src/cluster/formation.js';
import { PartitionCreator } from '../src/cluster/partition-creator.js';
import { ProposalQueue } from '../src/configuration/proposal-queue.js';
import { Recovery } from '../src/configuration/recovery.js';
import { Departures } from '../src/reconcile/departures.js';
import { Reconciler } from '../src/reconcile/reconciler.js';
import { WorkerRegistry } from '../src/registry/worker-registry.js';

export const STARTUP_QUIET_MS = 3000;
export const SILENT_AFTER_MS = 3000;
export const REPLACE_AFTER_MS = 60_000;

export class TestClock {
  nowMs = 1_000_000;
  readonly wallNowMs = (): number => this.nowMs;
  readonly monotonicNowMs = (): number => this.nowMs;
}

export interface TestMasterOptions {
  readonly storage?: Storage;
  readonly clock?: TestClock;
  readonly formation?: Formation;
  readonly bootstrapExpect?: number;
  readonly boot?: number;
  readonly nonce?: string;
  readonly movesMax?: number;
  /** In place of the store's own: for a second master that comes in between. */
  readonly wrap?: (store: MetadataStore) => MetadataStore;
}

export const hashed = (partitionCount: number, replicationFactor: number): Formation => ({
  placement: 'hashed',
  partitionCount,
  replicationFactor,
});

/** The `n`th store of a worker. */
export function storeOf(worker: number, n = 1): StoreId {
  return storeId(`${worker}a${n}`.padStart(32, '0'));
}

export class TestMaster {
  /** Workers that were told to stop. */
  readonly stoppedWorkers: number[] = [];
  readonly alarms: string[] = [];
  readonly log = {
    log: (): void => undefined,
    warn: (): void => undefined,
    error: (message: string): void => void this.alarms.push(message),
  };
  readonly recovery: Recovery;
  readonly queue: ProposalQueue;
  readonly registry: WorkerRegistry;
  readonly creator: PartitionCreator;
  readonly departures: Departures;
  private reconciling: Reconciler | undefined;

  private constructor(
    readonly store: MetadataStore,
    readonly state: ClusterState,
    readonly clock: TestClock,
    private readonly options: TestMasterOptions,
  ) {
    const { boot = 1, nonce = 'a'.repeat(32), bootstrapExpect = 1 } = options;
    const master = { boot, nonce };
    this.recovery = new Recovery(state, clock, this.log, { master, startupQuietMs: STARTUP_QUIET_MS });
    const refusal = (): string | undefined => this.recovery.refusal();
    this.queue = new ProposalQueue(state, decide, refusal);
    this.creator = new PartitionCreator(state, this.log, bootstrapExpect, refusal);
    const times = { heartbeatMs: 1000, silentAfterMs: SILENT_AFTER_MS, timing: 'default' } as const;
    this.registry = new WorkerRegistry(state, clock, this.log, this.recovery, { ...times, master });
    const stop = (index: number): Promise<void> => {
      this.stoppedWorkers.push(index);
      return Promise.resolve();
    };
    this.departures = new Departures(state, this.registry, stop, this.log);
  }

  static async start(options: TestMasterOptions = {}): Promise<TestMaster> {
    const { storage = new MemoryStorage(), clock = new TestClock(), formation = hashed(4, 1) } = options;
    const own = await LevelMetadataStore.open(storage, { clock });
    const store = options.wrap?.(own) ?? own;
    const state = await ClusterState.open(store, formation, (error) => {
      throw error;
    });
    return new TestMaster(store, state, clock, options);
  }

  /** Begun when first asked for, because it acts by itself. */
  get reconciler(): Reconciler {
    const { clock, log, recovery, queue: proposals, creator } = this;
    const { movesMax } = this.options;
    const options = {
      replaceAfterMs: REPLACE_AFTER_MS,
      clock,
      log,
      ...(movesMax === undefined ? {} : { movesMax }),
    };
    const manager = { recovery, proposals, creator };
    this.reconciling ??= new Reconciler(this.state, this.registry, manager, this.departures, options);
    return this.reconciling;
  }

  async stop(): Promise<void> {
    await this.reconciling?.stop();
    await this.state.close();
    await this.store.close();
  }

  /** Registers a worker, and creates what may be created then. */
  async join(worker: number, change: Partial<Registration> = {}): Promise<Welcomed> {
    const welcomed = await this.registry.register(worker, registrationOf(worker, change));
    await this.creator.run();
    return welcomed;
  }

  async propose(proposal: Proposal): Promise<Decision> {
    const [decision] = await this.queue.propose([proposal]);
    if (decision === undefined) throw new Error('no decision');
    return decision;
  }
}

export function registrationOf(worker: number, change: Partial<Registration> = {}): Registration {
  return {
    store: storeOf(worker),
    boot: 1,
    nonce: '1'.repeat(16),
    earlier: [],
    clusterId: null as ClusterId | null,
    pid: 1,
    http: { host: '127.0.0.1', port: 5000 + worker },
    labels: { host: '', zone: '' },
    weight: 1,
    ...change,
  };
}

/** What a worker's store knows, as it reports it. */
export function reportOf(
  known: readonly PartitionConfiguration[],
  {
    gen = 1,
    isWhole = false,
    ...rest
  }: { gen?: number; isWhole?: boolean } & Partial<Pick<Report, 'map' | 'master'>> = {},
): Report {
  return {
    gen: generation(gen),
    map: null,
    master: null,
    installed: known.map(({ partition, configuration: { gen: of, epoch } }) => ({
      partition,
      ver: { gen: of, epoch },
    })),
    configurations: isWhole ? known : null,
    ...rest,
  };
}

/** The configurations that name a worker. */
export function knownOn(state: ClusterState, worker: number): PartitionConfiguration[] {
  const index: WorkerIndex = workerIndex(worker);
  return state.map.partitionRecords().flatMap(({ partition, configuration }) => {
    if (configuration === null || memberOf(configuration.insync, index) === undefined) return [];
    return [{ partition, configuration }];
  });
}

/** What is on the disk now, on another one. */
export async function copyOf(storage: Storage): Promise<MemoryStorage> {
  const copy = new MemoryStorage();
  let from = Buffer.alloc(0);
  let isMore = true;
  while (isMore) {
    const { entries, done } = await storage.page({ gte: from, lt: Buffer.alloc(64, 0xff) });
    await copy.write(entries.map(({ key, value }) => ({ type: 'put', key, value })));
    const last = entries.at(-1)?.key;
    isMore = !done && last !== undefined;
    from = Buffer.concat([last ?? from, Buffer.alloc(1)]);
  }
  return copy;
}
