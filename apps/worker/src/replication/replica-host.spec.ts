/**
 * Hosts of three and four workers in one process, with real time, over storages in memory and a network that delays:
 * what the simulator shows for replicas, this shows for what surrounds them. Waits are for conditions, never for times.
 */
import { randomBytes } from 'node:crypto';

import { afterEach, describe, expect, it } from '@jest/globals';
import {
  decide,
  generation,
  incarnation,
  localPartitionOf,
  memberOf,
  minInSyncGoal,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type {
  ClusterMap,
  Configuration,
  Decision,
  Member,
  PartitionId,
  Proposal,
  ReplicaProposal,
  Target,
  WorkerIndex,
} from '@diststore/cluster';
import type { Put, Result, WriteOperation } from '@diststore/data';
import { TIMINGS } from '@diststore/replication';
import type { Request } from '@diststore/replication';
import {
  dataKey,
  installedKey,
  LevelStorage,
  logRange,
  MemoryStorage,
  replicaRanges,
  requestKey,
} from '@diststore/storage';
import type { Storage } from '@diststore/storage';
import {
  clusterMap,
  eventually,
  FaultyStorage,
  hashedSettings,
  TemporaryDirectory,
  workerNumber,
} from '@diststore/testing';

import { standaloneMap } from '../cluster/standalone.js';
import type { Partition, RecordPage } from '../data/partition.js';
import { readThrough } from '../routing/read-through.js';
import type { MachineClocks } from './clock-sanity.js';
import { isNotPrimary } from './outcomes.js';
import { ReplicaHost } from './replica-host.js';
import type { ReplicaHostOptions } from './replica-host.js';
import type { Lane, Line, NetworkHandler, ReplicaNetwork } from './replica-network.js';
import { ReplicaSweeper } from './replica-sweeper.js';
import type { ReplicatedPartition, StaleRecord } from './replicated-partition.js';
import { ReplicatedPartitions } from './replicated-partitions.js';

const P = partitionId(0);
const TIMING = TIMINGS.fast;
const LIMITS = { maxValueBytes: 1024 * 1024 };
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };

/** As `toThrow` takes it: by its properties. */
const RETRY_LATER = expect.objectContaining({ code: 'retry-later' }) as unknown as Error;

const key = (text: string): Buffer => Buffer.from(text);

function put(name: string, value: string | Buffer, changes: Partial<Put> = {}): Put {
  return {
    type: 'put',
    key: key(name),
    value: Buffer.from(value),
    contentType: undefined,
    expiry: { type: 'never' },
    conditions: [],
    returnOld: false,
    ...changes,
  };
}

/** What keeps configurations, as the master does, in memory. */
class Master {
  isUp = true;
  /** False: it has just started, or does not trust its data. It says so, and answers everything else. */
  takesProposals = true;
  /** Proposals of this kind do not arrive, for now. */
  delayed: ReplicaProposal['kind'] | undefined;
  readonly proposals: Proposal[] = [];
  /** How often it was asked whether it takes proposals. */
  asked = 0;
  private readonly configurations = new Map<PartitionId, Configuration>();
  private readonly targets = new Map<PartitionId, Target>();
  private version = 1;
  private ids = 0;

  constructor(private readonly cluster: Cluster) {}

  configuration(partition = P): Configuration {
    const found = this.configurations.get(partition);
    if (found === undefined) throw new Error('not created');
    return found;
  }

  create(partition: PartitionId, replicas: readonly number[]): void {
    this.setTarget(partition, replicas);
    const insync: Member[] = replicas.map((index) => ({
      worker: workerIndex(index),
      store: this.cluster.worker(index).store,
      incarnation: incarnation(randomBytes(8).toString('hex')),
    }));
    const next = { primary: insync[0] as Member, insync };
    this.decide({ partition, kind: 'create', expect: null, by: 'master', proposalId: this.newId(), next });
    this.publish();
  }

  setTarget(partition: PartitionId, replicas: readonly number[], publish = false): void {
    const rev = (this.targets.get(partition)?.rev ?? 0) + 1;
    const workers = replicas.map(workerIndex);
    this.targets.set(partition, { rev, replicas: workers, preferredPrimary: workers[0] as WorkerIndex });
    if (publish) this.publish();
  }

  async propose(proposal: ReplicaProposal): Promise<Decision> {
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (!this.isUp || proposal.kind === this.delayed) throw new Error('the master is away');
    if (!this.takesProposals) throw new Error('the master takes no proposals now');
    const decision = this.decide(proposal);
    if (decision.answer === 'accepted') this.publish();
    return decision;
  }

  canPropose(): Promise<boolean> {
    this.asked += 1;
    return Promise.resolve(this.isUp && this.takesProposals);
  }

  map(): ClusterMap {
    return clusterMap({
      version: this.version,
      formed: false,
      settings: hashedSettings({ replicationFactor: 3 }),
      workers: this.cluster.workers.map(({ index, store }) => workerNumber(index, { store })),
      partitions: [...this.targets].map(([partition, target]) => ({
        partition,
        revision: this.version,
        target,
        configuration: this.configurations.get(partition) ?? null,
      })),
    });
  }

  private publish(): void {
    this.version += 1;
    const map = this.map();
    for (const worker of this.cluster.workers) setTimeout(() => worker.host?.adopt(map), 3);
  }

  private decide(proposal: Proposal): Decision {
    this.proposals.push(proposal);
    const target = this.targets.get(proposal.partition);
    const registered = new Map(this.cluster.workers.map(({ index, store }) => [index, store]));
    const decision = decide(this.configurations.get(proposal.partition), proposal, {
      gen: generation(1),
      registered,
      target,
      minInSyncGoal: minInSyncGoal({
        replicationFactor: target?.replicas.length ?? 1,
        registeredWorkers: registered.size,
      }),
    });
    if (decision.answer === 'accepted') this.configurations.set(proposal.partition, decision.configuration);
    return decision;
  }

  private newId(): ReturnType<typeof proposalId> {
    this.ids += 1;
    return proposalId(`master-${this.ids}`);
  }
}

/** The end of the network at one process. */
class Port implements ReplicaNetwork {
  handler: NetworkHandler | undefined;
  isOpen = true;

  constructor(
    private readonly cluster: Cluster,
    readonly worker: TestWorker,
    readonly boot: number,
  ) {}

  start(handler: NetworkHandler): void {
    this.handler = handler;
  }

  send(to: WorkerIndex, lane: Lane, bytes: Uint8Array): void {
    const other = this.cluster.worker(to);
    if (this.cluster.isCut(this.worker.index, to)) return;
    setTimeout(() => {
      if (other.port?.isOpen !== true) this.ifOpen((handler) => handler.onRefused(to));
      else this.deliver(other.port, lane, bytes);
    }, 1);
  }

  hold(): void {
    // What is held back in tests is nothing.
  }

  private deliver(to: Port, lane: Lane, bytes: Uint8Array): void {
    const line: Line = {
      sender: { worker: this.worker.index, store: this.worker.store, boot: this.boot },
      answer: (answer) => {
        if (!this.cluster.isCut(this.worker.index, to.worker.index))
          setTimeout(() => this.isOpen && to.deliver(this, lane, answer), 1);
      },
      malformed: (detail) => this.cluster.malformed.push(detail),
    };
    to.ifOpen((handler) => handler.onMessage(lane, line, Buffer.from(bytes)));
  }

  private ifOpen(run: (handler: NetworkHandler) => void): void {
    if (this.isOpen && this.handler !== undefined) run(this.handler);
  }
}

class TestWorker {
  readonly index: WorkerIndex;
  readonly store = storeId(randomBytes(16).toString('hex'));
  storage = new FaultyStorage(new MemoryStorage());
  host: ReplicaHost | undefined;
  port: Port | undefined;
  partitions: ReplicatedPartitions | undefined;
  sweeper: ReplicaSweeper | undefined;
  boot = 0;
  /** Added to the wall clock. */
  wallOffsetMs = 0;
  readonly quarantined: string[] = [];
  erased = 0;
  readonly snapshots: string[] = [];
  clockJumps = 0;
  readonly warnings: string[] = [];
  /** Rows about requests that a snapshot could not give. */
  lost = 0;

  constructor(
    private readonly cluster: Cluster,
    index: number,
    private readonly changes: Partial<ReplicaHostOptions>,
  ) {
    this.index = workerIndex(index);
  }

  async start(): Promise<void> {
    // What an earlier process handed over is on the disk by then.
    await this.storage.write([]);
    this.boot += 1;
    this.port = new Port(this.cluster, this, this.boot);
    const { master } = this.cluster;
    const clocks: MachineClocks = {
      monotonicNowMs: () => performance.now(),
      wallNowMs: () => Date.now() + this.wallOffsetMs,
      uptimeMs: () => performance.now(),
      uptimeGrainMs: 10,
    };
    const host = await ReplicaHost.open({
      storage: this.storage,
      worker: this.index,
      store: this.store,
      boot: this.boot,
      isNewStore: this.boot === 1,
      fence: generation(1),
      timing: TIMING,
      network: this.port,
      propose: (proposal) => master.propose(proposal),
      isMasterReachable: () => master.isUp,
      canPropose: () => master.canPropose(),
      refreshMap: () => {
        if (master.isUp) this.host?.adopt(master.map());
        return Promise.resolve();
      },
      readElsewhere: (partition) => this.cluster.readThrough(partition),
      logBudgetBytes: 0,
      logMemoryBudgetBytes: 0,
      recordCacheBytes: 64 * 1024,
      random: Math.random,
      observer: {
        quarantined: (_partition, reason) => this.quarantined.push(reason),
        erased: () => (this.erased += 1),
        snapshot: (_partition, to, what) => this.snapshots.push(`${what} ${to}`),
        clockJumped: () => (this.clockJumps += 1),
        lost: (_partition, rows) => (this.lost += rows),
      },
      log: { ...silent, warn: (warning: string) => this.warnings.push(warning) },
      fatal: (error) => this.cluster.fatal.push(error),
      clocks,
      ...this.changes,
    });
    this.host = host;
    this.partitions = new ReplicatedPartitions(host, {
      storage: this.storage,
      limits: LIMITS,
      wallNowMs: () => clocks.wallNowMs(),
    });
    this.sweeper = new ReplicaSweeper(this.partitions, silent, 20);
    if (master.isUp) host.adopt(master.map());
    host.start();
  }

  /** As if the process were killed. */
  kill(): void {
    if (this.port !== undefined) this.port.isOpen = false;
    void this.sweeper?.stop();
    this.host?.close();
    this.host = undefined;
    this.partitions = undefined;
  }

  primary(partition = P): ReplicatedPartition | undefined {
    return this.partitions?.primary(partition);
  }

  /** The value in the data, whoever may see it. */
  stored(name: string, partition = P): string | undefined {
    const row = this.storage.getSync(dataKey(partition, key(name)));
    return row === undefined ? undefined : row.toString('latin1').slice(22);
  }

  async rows(partition = P): Promise<number> {
    let count = 0;
    for (const range of replicaRanges(partition)) count += (await this.storage.page(range)).entries.length;
    return count;
  }
}

class Cluster {
  readonly master = new Master(this);
  readonly workers: TestWorker[] = [];
  readonly fatal: unknown[] = [];
  readonly malformed: string[] = [];
  private readonly cuts = new Set<number>();

  static async of(count: number, changes: Partial<ReplicaHostOptions> = {}): Promise<Cluster> {
    const cluster = new Cluster();
    for (let index = 1; index <= count; index += 1)
      cluster.workers.push(new TestWorker(cluster, index, changes));
    for (const worker of cluster.workers) await worker.start();
    open.push(cluster);
    return cluster;
  }

  worker(index: number): TestWorker {
    const worker = this.workers[index - 1];
    if (worker === undefined) throw new Error(`no worker ${index}`);
    return worker;
  }

  /** Nothing goes to or from this worker any more. */
  cut(index: number, isCut = true): void {
    if (isCut) this.cuts.add(index);
    else this.cuts.delete(index);
  }

  isCut(a: number, b: number): boolean {
    return this.cuts.has(a) || this.cuts.has(b);
  }

  /** Does it wherever the primary is, as a client does: again while nothing was done. */
  perform(
    operation: WriteOperation,
    request?: Request,
    partition = P,
  ): Promise<{ result: Result; repeated: boolean }> {
    return eventually(`${operation.type} is done`, async () => {
      for (const worker of this.workers) {
        const primary = worker.primary(partition);
        if (primary === undefined) continue;
        try {
          return await primary.perform(operation, request);
        } catch (error) {
          if (codeOf(error) !== 'retry-later') throw Object.assign(new Error('unexpected'), { cause: error });
        }
      }
      return undefined;
    });
  }

  get(name: string, partition = P): Promise<string> {
    return eventually(`${name} is read`, async () => {
      for (const worker of this.workers) {
        const primary = worker.primary(partition);
        if (primary === undefined) continue;
        try {
          return String((await primary.get(key(name)))?.payload ?? 'absent');
        } catch (error) {
          if (codeOf(error) !== 'retry-later') throw error;
        }
      }
      return undefined;
    });
  }

  /** As a router does it: again while the partition changes hands. */
  readThrough(of: PartitionId): Promise<void> {
    const page = async (
      partition: PartitionId,
      ...asked: Parameters<Partition['page']>
    ): Promise<RecordPage> => {
      const read = await eventually('a page is read, or cannot be', () => {
        const primary = this.workers.map((worker) => worker.primary(partition)).find(Boolean);
        return primary?.page(...asked).then(
          (found) => () => found,
          (error: unknown) => codeOf(error) !== 'retry-later' && thrower(error),
        );
      });
      return read();
    };
    return readThrough({ page }, of, (partition) => this.master.configuration(partition).primary);
  }

  primaryOf(partition = P): Promise<TestWorker> {
    return eventually('somebody leads and serves', () =>
      this.workers.find((worker) => {
        try {
          void worker.primary(partition)?.get(key('nothing'));
          return worker.primary(partition) !== undefined;
        } catch {
          return false;
        }
      }),
    );
  }

  inSync(indexes: readonly number[], partition = P): Promise<true> {
    const wanted = [...indexes].sort().join();
    return eventually(`in sync are ${wanted}`, () => {
      const { insync } = this.master.configuration(partition);
      return (
        insync
          .map(({ worker }) => worker)
          .sort()
          .join() === wanted
      );
    });
  }

  close(): void {
    for (const worker of this.workers) worker.kill();
  }
}

function thrower(error: unknown): () => never {
  return () => {
    throw error instanceof Error ? error : new Error(String(error));
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : String(error);
}

/** Changes a bit of the stored value. */
async function damage(storage: Storage, name: string): Promise<void> {
  await flipLastBit(storage, dataKey(P, key(name)));
}

async function flipLastBit(storage: Storage, row: Buffer): Promise<void> {
  const value = Buffer.from(storage.getSync(row) as Buffer);
  value.writeUInt8(value.readUInt8(value.length - 1) ^ 1, value.length - 1);
  await storage.write([{ type: 'put', key: row, value }]);
}

const ADD: WriteOperation = { type: 'add', key: key('n'), by: 5n, conditions: [] };

function requestOf(n: number): Request {
  return { id: randomBytes(16).toString('hex'), fingerprint: { hi: 1, lo: n } };
}

const open: Cluster[] = [];

/** Otherwise what was just written is answered from memory, whatever has become of it on the disk. */
const READING_FROM_DISK = { recordCacheBytes: 0 };

/** A replica that was just handed its partition keeps it for ten times as long, whoever is preferred. */
const HANDING_OVER_SOON = { timing: { ...TIMING, handoverDrainMs: 50 } };

describe('ReplicaHost', () => {
  afterEach(() => {
    for (const cluster of open.splice(0)) {
      cluster.close();
      expect(cluster.fatal).toEqual([]);
      expect(cluster.malformed).toEqual([]);
    }
  });

  it('puts a write on every replica before it answers', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    const { result, repeated } = await cluster.perform(put('a', 'one'));
    expect({ result, repeated }).toMatchObject({
      result: { type: 'stored', version: 1, created: true },
      repeated: false,
    });
    for (const { storage } of cluster.workers) {
      const log = await storage.page(logRange(P, 1, 1));
      expect(log.entries).toHaveLength(1);
    }
    expect(await cluster.get('a')).toBe('one');
    await eventually('the data is everywhere', () =>
      cluster.workers.every((worker) => worker.stored('a') === 'one'),
    );
    const stale = await cluster.worker(2).partitions?.replica(P)?.readStale(key('a'));
    expect(stale).toMatchObject({ asOfSeq: 1, record: { version: 1, payload: Buffer.from('one') } });
  });

  it('reads nothing old from a replica that cannot say how old it is', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2]);
    await cluster.perform(put('a', 'one'));
    const stale = (worker: number): Promise<StaleRecord> | undefined =>
      cluster.worker(worker).partitions?.replica(P)?.readStale(key('a'));
    cluster.master.setTarget(P, [1, 2, 3], true);
    cluster.master.isUp = false;
    await eventually('the learner has it', () => cluster.worker(3).stored('a') === 'one');
    await expect(stale(3)).rejects.toThrow(RETRY_LATER);
    cluster.master.isUp = true;
    await cluster.inSync([1, 2, 3]);
    await eventually('the learner knows', async () => (await stale(3)?.catch(() => undefined)) !== undefined);
    for (const worker of [1, 2]) cluster.worker(worker).kill();
    cluster.worker(3).kill();
    await cluster.worker(3).start();
    await expect(stale(3)).rejects.toMatchObject({ code: 'retry-later' });
  });

  it('serves a partition of one replica at once, and keeps it over a restart without a master', async () => {
    const cluster = await Cluster.of(1);
    cluster.master.create(P, [1]);
    // A write that comes before it may serve is taken in hope, and logged.
    expect(await cluster.get('a')).toBe('absent');
    await cluster.perform(put('a', 'one'));
    expect((await cluster.worker(1).storage.page(logRange(P, 1, 10))).entries).toHaveLength(0);
    cluster.worker(1).kill();
    cluster.master.isUp = false;
    await cluster.worker(1).start();
    expect(await cluster.get('a')).toBe('one');
    expect(await cluster.perform(put('a', 'two'))).toMatchObject({ result: { version: 2, created: false } });
    expect(cluster.worker(1).primary()?.keys).toBe(1);
  });

  it('fails over when the primary dies, keeps what was acknowledged, and takes it back as a follower', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    for (let i = 0; i < 20; i += 1) await cluster.perform(put(`k${i}`, `v${i}`));
    cluster.worker(1).kill();
    await cluster.perform(put('after', 'the fall'));
    for (let i = 0; i < 20; i += 1) expect(await cluster.get(`k${i}`)).toBe(`v${i}`);
    expect(cluster.master.configuration().primary.worker).not.toBe(1);
    await cluster.worker(1).start();
    await cluster.inSync([1, 2, 3]);
    await eventually('the old primary has it', () => cluster.worker(1).stored('after') === 'the fall');
  });

  it('keeps everything over a restart of all', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    for (let i = 0; i < 10; i += 1) await cluster.perform(put(`k${i}`, `v${i}`));
    await cluster.perform({ type: 'delete', key: key('k3'), conditions: [], returnOld: false });
    for (const worker of cluster.workers) worker.kill();
    for (const worker of cluster.workers) await worker.start();
    for (let i = 0; i < 10; i += 1) expect(await cluster.get(`k${i}`)).toBe(i === 3 ? 'absent' : `v${i}`);
    expect((await cluster.primaryOf()).primary()?.keys).toBe(9);
  });

  it('brings a replica that was away up to date from the log', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    cluster.worker(3).kill();
    await cluster.perform(put('b', 'two'));
    await cluster.inSync([1, 2]);
    await cluster.worker(3).start();
    await cluster.inSync([1, 2, 3]);
    await eventually('it has what it missed', () => cluster.worker(3).stored('b') === 'two');
    expect(cluster.workers.flatMap(({ snapshots }) => snapshots)).toEqual([]);
  });

  it('brings a new replica up to date with a snapshot, while writes go on', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1]);
    const big = randomBytes(200_000);
    for (let i = 0; i < 12; i += 1) await cluster.perform(put(`k${i}`, big));
    cluster.master.setTarget(P, [1, 2, 3], true);
    const writes = Array.from({ length: 30 }, (_unused, i) => cluster.perform(put(`n${i}`, `${i}`)));
    await cluster.inSync([1, 2, 3]);
    await Promise.all(writes);
    expect(cluster.worker(1).snapshots).toEqual(expect.arrayContaining(['sent 2', 'sent 3']));
    cluster.worker(1).kill();
    for (let i = 0; i < 12; i += 1) expect(await cluster.get(`k${i}`)).toBe(String(big));
    for (let i = 0; i < 30; i += 1) expect(await cluster.get(`n${i}`)).toBe(`${i}`);
    expect((await cluster.primaryOf()).primary()?.keys).toBe(42);
  });

  it('decides conditions one after the other, however many come at once', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    const primary = (await cluster.primaryOf()).primary() as ReplicatedPartition;
    const adds = await Promise.all(
      Array.from({ length: 40 }, () =>
        primary.perform({ type: 'add', key: key('n'), by: 1n, conditions: [] }),
      ),
    );
    const numbers = adds.map(({ result }) => (result.type === 'number' ? Number(result.number) : NaN));
    expect(numbers).toEqual(Array.from({ length: 40 }, (_unused, i) => i + 1));
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_unused, i) =>
        primary.perform(put('claim', `${i}`, { conditions: [{ type: 'absent' }] })),
      ),
    );
    expect(claims.map(({ result }) => result.type)).toEqual([
      'stored',
      ...Array.from({ length: 9 }, () => 'refused'),
    ]);
  });

  it('does a repeated request once, over a failover too', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    const request = requestOf(2);
    expect(await cluster.perform(ADD, request)).toMatchObject({ result: { number: '5' }, repeated: false });
    expect(await cluster.perform(ADD, request)).toMatchObject({ result: { number: '5' }, repeated: true });
    const other = { ...request, fingerprint: { hi: 1, lo: 3 } };
    const primary = (await cluster.primaryOf()).primary();
    await expect(primary?.perform(ADD, other)).rejects.toMatchObject({ code: 'request-id-reused' });
    cluster.worker(1).kill();
    expect(await cluster.perform(ADD, request)).toMatchObject({ result: { number: '5' }, repeated: true });
    expect(await cluster.get('n')).toBe('5');
  });

  it('refuses writes, and serves reads, when too few replicas are in sync', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    cluster.worker(2).kill();
    cluster.worker(3).kill();
    await cluster.inSync([1]);
    await eventually('writes are refused', async () => {
      try {
        await cluster.worker(1).primary()?.perform(put('a', 'two'));
        return false;
      } catch (error) {
        return codeOf(error) === 'too-few-replicas';
      }
    });
    expect(await cluster.get('a')).toBe('one');
    await cluster.worker(2).start();
    await cluster.perform(put('a', 'three'));
    expect(await cluster.get('a')).toBe('three');
  });

  it('tells who asks the wrong worker that it may be done elsewhere', async () => {
    const cluster = await Cluster.of(2);
    cluster.master.create(P, [1, 2]);
    await cluster.primaryOf();
    const follower = cluster.worker(2).partitions?.replica(P) as ReplicatedPartition;
    const error = await follower.perform(put('a', 'one')).catch((thrown: unknown) => thrown);
    expect(isNotPrimary(error)).toBe(true);
    expect((error as { facts: unknown }).facts).toMatchObject({ primary: 1 });
    expect(() => follower.get(key('a'))).toThrow(RETRY_LATER);
    expect(cluster.worker(2).primary()).toBeUndefined();
  });

  it('answers after leading again by what others wrote meanwhile, not by what it remembers', async () => {
    const cluster = await Cluster.of(2, HANDING_OVER_SOON);
    const leads = (worker: number) => () => cluster.master.configuration().primary.worker === worker;
    cluster.master.create(P, [1, 2]);
    await cluster.perform(put('a', 'one'));
    expect(await cluster.get('a')).toBe('one');
    cluster.master.setTarget(P, [2, 1], true);
    await eventually('worker 2 leads', leads(2));
    await cluster.perform(put('a', 'two'));
    cluster.master.setTarget(P, [1, 2], true);
    await eventually('worker 1 leads again', leads(1));
    expect(await cluster.get('a')).toBe('two');
    expect((await cluster.perform(put('a', 'three'))).result).toMatchObject({ created: false });
  });

  it('goes on leading what it is to hand over while the master is there but takes no proposals', async () => {
    const cluster = await Cluster.of(2, HANDING_OVER_SOON);
    const { master } = cluster;
    master.create(P, [1, 2]);
    await cluster.perform(put('a', 'one'));
    master.takesProposals = false;
    master.setTarget(P, [2, 1], true);
    await eventually('the master was asked again', () => master.asked >= 2);
    expect(await cluster.get('a')).toBe('one');
    await cluster.perform(put('a', 'two'));
    expect(master.configuration().primary.worker).toBe(1);
    master.takesProposals = true;
    await eventually('worker 2 leads', () => master.configuration().primary.worker === 2);
    expect(await cluster.get('a')).toBe('two');
  });

  it('hands everything over before a planned stop', async () => {
    const cluster = await Cluster.of(3);
    const Q = partitionId(1);
    cluster.master.create(P, [1, 2, 3]);
    cluster.master.create(Q, [2, 1, 3]);
    await cluster.perform(put('a', 'one'));
    await cluster.perform(put('b', 'two'), undefined, Q);
    expect(await cluster.worker(1).host?.shutDown()).toBe(true);
    cluster.worker(1).kill();
    expect(cluster.master.configuration(P).primary.worker).not.toBe(1);
    expect(memberOf(cluster.master.configuration(Q).insync, workerIndex(1))).toBeUndefined();
    expect(cluster.master.proposals.map(({ kind }) => kind)).not.toContain('promote');
    expect(await cluster.get('a')).toBe('one');
  });

  it('is not counted on any more once it has left for a planned stop, although the target wants it', async () => {
    const cluster = await Cluster.of(3);
    const partitions = [0, 1, 2, 3, 4, 5].map(partitionId);
    partitions.forEach((partition, i) => {
      cluster.master.create(partition, i % 2 === 0 ? [1, 2, 3] : [2, 3, 1]);
    });
    for (const partition of partitions) await cluster.perform(put('a', 'one'), undefined, partition);
    expect(await cluster.worker(1).host?.shutDown()).toBe(true);
    cluster.worker(1).kill();
    for (const partition of partitions) await cluster.perform(put('a', 'two'), undefined, partition);
    // Nobody had to find out that it is gone, and nobody took it in again.
    const kinds = cluster.master.proposals.map(({ kind }) => kind);
    expect(kinds).not.toContain('remove');
    expect(kinds).not.toContain('add');
  });

  it('keeps a bad replica quiet until nobody counts on it, then lets it learn anew under another name', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    for (let i = 0; i < 5; i += 1) await cluster.perform(put(`k${i}`, `v${i}`));
    const before = memberOf(cluster.master.configuration().insync, workerIndex(3)) as Member;
    await quarantineForAGap(cluster.worker(3));
    await eventually('it was erased', () => cluster.worker(3).erased === 1);
    await cluster.inSync([1, 2, 3]);
    const after = memberOf(cluster.master.configuration().insync, workerIndex(3)) as Member;
    expect(after.incarnation).not.toBe(before.incarnation);
    await eventually('it has everything', () =>
      [0, 1, 2, 3, 4].every((i) => cluster.worker(3).stored(`k${i}`) === `v${i}`),
    );
  });

  it('keeps a bad learner as it is while its admission may be accepted, which no map shows', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2]);
    for (let i = 0; i < 5; i += 1) await cluster.perform(put(`k${i}`, `v${i}`));
    cluster.master.delayed = 'add';
    cluster.master.setTarget(P, [1, 2, 3], true);
    await eventually('the learner has everything', () => cluster.worker(3).stored('k4') === 'v4');
    await quarantineForAGap(cluster.worker(3));
    const primary = cluster.worker(1).primary() as ReplicatedPartition;
    await eventually('its primary misses its lease', () => {
      try {
        void primary.get(key('k0'));
        return false;
      } catch {
        return true;
      }
    });
    expect(cluster.worker(3).erased).toBe(0);
    cluster.master.delayed = undefined;
    await cluster.inSync([1, 2, 3]);
    await eventually('it learned anew', () => cluster.worker(3).erased === 1);
    await cluster.inSync([1, 2, 3]);
  });

  it('makes a replica anew of which a record is damaged, wherever that is met, and answers from another one', async () => {
    const cluster = await Cluster.of(3, READING_FROM_DISK);
    cluster.master.create(P, [1, 2, 3]);
    for (const name of ['a', 'b', 'c']) await cluster.perform(put(name, `${name}1`));
    const readers = {
      a: () => cluster.get('a'),
      b: () =>
        cluster.perform(put('b', 'b2', { conditions: [{ type: 'value', equals: Buffer.from('b1') }] })),
    };
    for (const [name, read] of Object.entries(readers)) {
      const primary = await cluster.primaryOf();
      await eventually('it is in the data', () => primary.stored(name) === `${name}1`);
      await damage(primary.storage, name);
      const { incarnation: before } = memberOf(
        cluster.master.configuration().insync,
        primary.index,
      ) as Member;
      await read();
      await eventually('it was erased', () => primary.erased === 1);
      await cluster.inSync([1, 2, 3]);
      const after = memberOf(cluster.master.configuration().insync, primary.index) as Member;
      expect(after.incarnation).not.toBe(before);
      await eventually('it has everything', () => primary.stored('c') === 'c1');
    }
    expect(await cluster.get('a')).toBe('a1');
    expect(await cluster.get('b')).toBe('b2');
    // It handed over: nobody had to find out that it was gone.
    const kinds = cluster.master.proposals.map(({ kind }) => kind);
    expect(kinds).not.toContain('promote');
    expect(kinds).not.toContain('remove');
  });

  it('makes a secondary anew of which a stale read meets a damaged record', async () => {
    const cluster = await Cluster.of(3, READING_FROM_DISK);
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    const secondary = cluster.worker(3);
    await eventually('it is in the data', () => secondary.stored('a') === 'one');
    await damage(secondary.storage, 'a');
    const stale = (): Promise<StaleRecord> | undefined =>
      secondary.partitions?.replica(P)?.readStale(key('a'));
    await expect(stale()).rejects.toMatchObject({ code: 'retry-later' });
    await eventually('it was erased', () => secondary.erased === 1);
    await cluster.inSync([1, 2, 3]);
    // In sync by the master's word: it serves when it has heard of that itself.
    const served = await eventually('it serves', async () => stale()?.catch(undefinedIfEarly));
    expect(served).toMatchObject({ record: { version: 1 } });
  });

  it('makes a replica anew of which the result of a request is damaged, and gives another one', async () => {
    const cluster = await Cluster.of(4);
    cluster.master.create(P, [1]);
    // Alone it keeps no log once it serves, so that others need a snapshot.
    expect(await cluster.get('n')).toBe('absent');
    const request = requestOf(1);
    await cluster.perform(ADD, request);
    cluster.master.setTarget(P, [1, 2, 3], true);
    await cluster.inSync([1, 2, 3]);
    const primary = cluster.worker(1);
    await flipLastBit(primary.storage, requestKey(P, request.id));
    // Found by the snapshot that it gives.
    cluster.master.setTarget(P, [1, 2, 3, 4], true);
    await eventually('it was erased', () => primary.erased === 1);
    await cluster.inSync([1, 2, 3, 4]);
    const { index } = await cluster.primaryOf();
    cluster.worker(index).kill();
    expect(await cluster.perform(ADD, request)).toMatchObject({ result: { number: '5' }, repeated: true });
    expect(primary.lost).toBe(0);
  });

  it('answers a repeated request from another replica when its result is damaged', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    const request = requestOf(1);
    await cluster.perform(ADD, request);
    const primary = await cluster.primaryOf();
    await eventually('it is in the data', () => primary.storage.getSync(requestKey(P, request.id)));
    await flipLastBit(primary.storage, requestKey(P, request.id));
    expect(await cluster.perform(ADD, request)).toMatchObject({ result: { number: '5' }, repeated: true });
    await eventually('it was erased', () => primary.erased === 1);
  });

  it('copies the only copy although the result of a request is damaged, and never does that one again', async () => {
    const cluster = await Cluster.of(2, HANDING_OVER_SOON);
    cluster.master.create(P, [1]);
    expect(await cluster.get('n')).toBe('absent');
    const [damaged, sound] = [requestOf(1), requestOf(2)];
    await cluster.perform(ADD, damaged);
    await cluster.perform(ADD, sound);
    await flipLastBit(cluster.worker(1).storage, requestKey(P, damaged.id));
    cluster.master.setTarget(P, [2, 1], true);
    await cluster.inSync([1, 2]);
    expect(cluster.worker(1).lost).toBe(1);
    await eventually('worker 2 leads', () => cluster.master.configuration().primary.worker === 2);
    const primary = (await cluster.primaryOf()).primary() as ReplicatedPartition;
    await expect(primary.perform(ADD, damaged)).rejects.toMatchObject({ code: 'outcome-unknown' });
    expect(await cluster.perform(ADD, sound)).toMatchObject({ result: { number: '10' }, repeated: true });
    expect(await cluster.get('n')).toBe('10');
  });

  it('keeps a damaged secondary in sync that the others cannot do without', async () => {
    const cluster = await Cluster.of(3, { ...READING_FROM_DISK, leaveDeadlineMs: 500 });
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    cluster.worker(3).kill();
    await cluster.inSync([1, 2]);
    const secondary = cluster.worker(2);
    await eventually('it is in the data', () => secondary.stored('a') === 'one');
    await damage(secondary.storage, 'a');
    const stale = secondary.partitions?.replica(P)?.readStale(key('a'));
    await expect(stale).rejects.toMatchObject({ code: 'retry-later' });
    await eventually('it tried to leave', () => (secondary.host?.seat(P).stayUntilMs ?? 0) > 0);
    expect(secondary.quarantined).toEqual([]);
    await cluster.perform(put('a', 'two'));
    await eventually('it is whole', () => secondary.stored('a') === 'two');
    await cluster.inSync([1, 2]);
  });

  it('erases no bad replica while the copy that took over is bad in other places', async () => {
    const cluster = await Cluster.of(2, READING_FROM_DISK);
    cluster.master.create(P, [1, 2]);
    for (const name of ['a', 'b']) await cluster.perform(put(name, name));
    const [first, second] = [cluster.worker(1), cluster.worker(2)];
    await eventually('both are in the data', () =>
      cluster.workers.every((worker) => worker.stored('a') === 'a' && worker.stored('b') === 'b'),
    );
    await damage(first.storage, 'a');
    await damage(second.storage, 'b');
    expect(await cluster.get('a')).toBe('a');
    await eventually('it was looked whether the other one is sound', () =>
      first.warnings.some((warning) => warning.includes('is not erased yet')),
    );
    expect(first.erased).toBe(0);
    expect(first.stored('b')).toBe('b');
    // Started anew it takes part again, and its sound record is served.
    first.kill();
    await first.start();
    await cluster.inSync([1, 2]);
    expect(await cluster.get('b')).toBe('b');
    expect(first.erased + second.erased).toBe(0);
  });

  it('gives every record that one of two replicas has, though each is damaged, and neither may leave', async () => {
    const cluster = await Cluster.of(3, { ...READING_FROM_DISK, leaveDeadlineMs: 500 });
    cluster.master.create(P, [1, 2, 3]);
    for (const name of ['a', 'b']) await cluster.perform(put(name, name));
    cluster.worker(3).kill();
    await cluster.inSync([1, 2]);
    await eventually('both are in the data', () => cluster.worker(2).stored('b') === 'b');
    await damage(cluster.worker(1).storage, 'a');
    await damage(cluster.worker(2).storage, 'b');
    expect([await cluster.get('a'), await cluster.get('b')]).toEqual(['a', 'b']);
  });

  it('takes writes again when it has become the only copy while it waited to leave', async () => {
    const cluster = await Cluster.of(2, { ...READING_FROM_DISK, leaveDeadlineMs: 500 });
    cluster.master.create(P, [1, 2]);
    for (const name of ['a', 'b']) await cluster.perform(put(name, name));
    const { storage } = cluster.worker(1);
    await eventually('it is in the data', () => cluster.worker(1).stored('a') === 'a');
    await damage(storage, 'a');
    cluster.worker(2).kill();
    // Met while the other one still counts as a copy, which cannot take over any more.
    const primary = cluster.worker(1).primary() as ReplicatedPartition;
    expect(() => primary.get(key('a'))).toThrow(RETRY_LATER);
    await eventually('it is alone', () => cluster.master.configuration().insync.length === 1);
    await cluster.perform(put('a', 'repaired'));
    expect([await cluster.get('a'), await cluster.get('b')]).toEqual(['repaired', 'b']);
  });

  it('keeps the only copy of which a record is damaged, and serves the others', async () => {
    const cluster = await Cluster.of(1, READING_FROM_DISK);
    cluster.master.create(P, [1]);
    for (const name of ['a', 'b']) await cluster.perform(put(name, name));
    await damage(cluster.worker(1).storage, 'a');
    const primary = (await cluster.primaryOf()).primary() as ReplicatedPartition;
    expect(() => primary.get(key('a'))).toThrow(expect.objectContaining({ code: 'record-corrupt' }));
    expect(await cluster.get('b')).toBe('b');
    expect(cluster.worker(1).quarantined).toEqual([]);
  });

  it('keeps the only copy as it is when it is bad, and does not serve it', async () => {
    const cluster = await Cluster.of(1);
    cluster.master.create(P, [1]);
    await cluster.perform(put('a', 'one'));
    cluster.worker(1).kill();
    const { storage } = cluster.worker(1);
    const row = storage.getSync(installedKey(P)) as Buffer;
    row.writeUInt8(row.readUInt8(12) ^ 1, 12);
    await storage.write([{ type: 'put', key: installedKey(P), value: row }]);
    await cluster.worker(1).start();
    expect(cluster.worker(1).quarantined).toHaveLength(1);
    expect(cluster.worker(1).primary()).toBeUndefined();
    expect(cluster.worker(1).host?.hosted()).toMatchObject([{ partition: P, state: 'quarantined' }]);
    expect(cluster.worker(1).stored('a')).toBe('one');
    expect(cluster.worker(1).erased).toBe(0);
  });

  it('moves a replica and erases the one that is not wanted any more', async () => {
    const cluster = await Cluster.of(4, { dropDelayMs: 300 });
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    cluster.master.setTarget(P, [1, 2, 4], true);
    await cluster.inSync([1, 2, 4]);
    await eventually('the new one has it', () => cluster.worker(4).stored('a') === 'one');
    await eventually('the old one is erased', () => cluster.worker(3).erased === 1);
    expect(await cluster.worker(3).rows()).toBe(0);
    expect(cluster.worker(3).storage.getSync(installedKey(P))).toBeDefined();
    expect(await cluster.get('a')).toBe('one');
    cluster.master.setTarget(P, [1, 2, 3], true);
    await cluster.inSync([1, 2, 3]);
  });

  it('pages through what was committed before it was asked', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    const primary = (await cluster.primaryOf()).primary() as ReplicatedPartition;
    for (const name of ['a', 'b', 'c', 'd']) {
      await primary.perform(put(name, name));
      const { records } = await primary.page(Buffer.alloc(0), undefined, { limit: 10, keysOnly: false });
      expect(records.at(-1)?.key).toEqual(key(name));
    }
    const first = await primary.page(key('b'), undefined, { limit: 2, keysOnly: true });
    expect(first.records.map(({ record: { version, payload } }) => [version, payload.length])).toEqual([
      [2, 0],
      [3, 0],
    ]);
    const rest = await primary.page(first.next as Buffer, undefined, { limit: 10, keysOnly: false });
    expect(rest.records.map((r) => String(r.key))).toEqual(['d']);
    expect(rest.next).toBeUndefined();
  });

  it('answers confirmed reads after a round trip, and none when cut off', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    const primary = (await cluster.primaryOf()).primary() as ReplicatedPartition;
    expect(String((await primary.readConfirmed(key('a')))?.payload)).toBe('one');
    cluster.master.isUp = false;
    cluster.cut(1);
    await expect(primary.readConfirmed(key('a'))).rejects.toMatchObject({ code: 'retry-later' });
    cluster.cut(1, false);
    cluster.master.isUp = true;
    expect(await cluster.get('a')).toBe('one');
  });

  it('clears a partition at once, and removes the rows everywhere in the background', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    for (let i = 0; i < 10; i += 1) await cluster.perform(put(`k${i}`, 'old'));
    expect(await cluster.perform({ type: 'clear' })).toMatchObject({
      result: { type: 'cleared', removed: 10 },
    });
    expect(await cluster.get('k3')).toBe('absent');
    await cluster.perform(put('k3', 'new'));
    for (const worker of cluster.workers) worker.sweeper?.start();
    await eventually('the old rows are gone', () =>
      cluster.workers.every((worker) => worker.stored('k4') === undefined && worker.stored('k3') === 'new'),
    );
    expect(await cluster.get('k3')).toBe('new');
    expect((await cluster.primaryOf()).primary()?.keys).toBe(1);
  });

  it('hides what has expired, and removes it everywhere through the log', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one', { expiry: { type: 'in', ms: 50 } }));
    await cluster.perform(put('b', 'two', { expiry: { type: 'in', ms: 3_600_000 } }));
    await eventually('it has expired', async () => (await cluster.get('a')) === 'absent');
    for (const worker of cluster.workers) worker.sweeper?.start();
    await eventually('it is gone', () => cluster.workers.every((worker) => worker.stored('a') === undefined));
    expect(await cluster.get('b')).toBe('two');
    await eventually('it is not counted', async () => (await cluster.primaryOf()).primary()?.keys === 1);
  });

  it('serves nothing when its clocks disagree, until it has earned its leases again', async () => {
    const cluster = await Cluster.of(3);
    cluster.master.create(P, [1, 2, 3]);
    await cluster.perform(put('a', 'one'));
    const primary = cluster.worker(1).primary() as ReplicatedPartition;
    expect(String((await primary.get(key('a')))?.payload)).toBe('one');
    cluster.worker(1).wallOffsetMs += 60_000;
    expect(() => primary.get(key('a'))).toThrow(RETRY_LATER);
    await eventually('every replica was told', () => cluster.worker(1).clockJumps > 0);
    expect(await cluster.get('a')).toBe('one');
  });

  it('ends the process when a write to the disk fails', async () => {
    const cluster = await Cluster.of(1);
    cluster.master.create(P, [1]);
    await cluster.perform(put('a', 'one'));
    cluster.worker(1).storage.failWrites = true;
    void cluster
      .worker(1)
      .primary()
      ?.perform(put('a', 'two'))
      .catch(() => undefined);
    await eventually('it is fatal', () => cluster.fatal.length > 0);
    expect(cluster.fatal).toMatchObject([{ code: 'store-failed' }]);
    cluster.fatal.length = 0;
  });

  it('keeps everything over LevelDB, closed and opened again', async () => {
    const directory = await TemporaryDirectory.create();
    const opened = async (worker: TestWorker): Promise<FaultyStorage> =>
      new FaultyStorage(
        await LevelStorage.open({
          directory: directory.join(`${worker.index}`),
          owner: `worker ${worker.index}`,
        }),
      );
    const cluster = await Cluster.of(3);
    for (const worker of cluster.workers) {
      worker.kill();
      worker.storage = await opened(worker);
      await worker.start();
    }
    cluster.master.create(P, [1, 2, 3]);
    await Promise.all(Array.from({ length: 30 }, (_unused, i) => cluster.perform(put(`k${i}`, `v${i}`))));
    for (const worker of cluster.workers) {
      worker.kill();
      await worker.storage.close();
      worker.storage = await opened(worker);
    }
    for (const worker of cluster.workers) await worker.start();
    for (let i = 0; i < 30; i += 1) expect(await cluster.get(`k${i}`)).toBe(`v${i}`);
    for (const worker of cluster.workers) {
      worker.kill();
      await worker.storage.close();
    }
    await directory.remove();
  });

  it('serves its own partition under placement local', async () => {
    const cluster = await Cluster.of(1);
    const { index, store, host } = cluster.worker(1);
    host?.adopt(clusterMap(standaloneMap({ index, store, http: { host: '127.0.0.1', port: 5001 } })));
    const local = localPartitionOf(index);
    await cluster.perform(put('a', 'one'), undefined, local);
    cluster.worker(1).kill();
    await cluster.worker(1).start();
    expect(await cluster.get('a', local)).toBe('one');
  });
});

/** Starts a worker again whose log has lost its second entry. */
async function quarantineForAGap(worker: TestWorker): Promise<void> {
  worker.kill();
  const [row] = (await worker.storage.page(logRange(P, 2, 2))).entries;
  await worker.storage.write([{ type: 'del', key: row?.key as Buffer }]);
  await worker.start();
  expect(worker.quarantined).toEqual([expect.stringContaining('entry 2 is missing')]);
}

/** Nothing but what is to be asked again is forgiven. */
function undefinedIfEarly(error: unknown): undefined {
  if (codeOf(error) !== 'retry-later') throw error;
}
