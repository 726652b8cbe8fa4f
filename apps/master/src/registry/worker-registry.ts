/**
 * Who belongs to the cluster, and how each worker is. Membership is durable (cluster-state.ts); whether a worker is heard
 * from is remembered only, and begins anew when the master starts.
 *
 *     unheard ──registers──► starting ──reports──► serving ──silentAfterMs without a report──► silent ──reports──► serving
 *                                                     └──says so──► draining ──silentAfterMs──► silent
 *
 * A worker reports for the first time when it knows the cluster, so that `serving` means that it answers.
 */
import { type Clock, ConditionVariable, StoreError } from '@diststore/base';
import type {
  Address,
  Heartbeat,
  HeartbeatAnswer,
  MasterStart,
  Registration,
  Speaker,
  TimingName,
  Welcomed,
} from '@diststore/cluster';
import { admit, httpUrlOf, redisUrlOf, type Worker, workerIndex } from '@diststore/cluster';
import type { Log } from '@diststore/process';

import type { ClusterState, MemberRow } from '../cluster/cluster-state.js';
import type { Recovery } from '../configuration/recovery.js';

/** `unheard`: known from before the master started, and not heard from since. */
export type WorkerState = 'unheard' | 'starting' | 'serving' | 'draining' | 'silent';

/** Where clients reach a worker; null: it has no such port. */
export interface WorkerUrls {
  readonly http: string;
  /** For Redis clients of a single server. */
  readonly redis: string | null;
  /** For Redis clients of a cluster. */
  readonly redisCluster: string | null;
}

export interface WorkerView {
  readonly index: number;
  readonly urls: WorkerUrls;
  readonly state: WorkerState;
  /** ISO 8601: when it was last seen to enter that state. */
  readonly since: string;
  readonly pid: number;
  readonly storeId: string;
  readonly boot: number;
  readonly supervised: boolean;
  readonly keys: number;
  readonly bytes: number;
  readonly partitions: { readonly primary: number; readonly secondary: number };
}

interface Presence {
  heardMs: number;
  state: 'starting' | 'serving' | 'draining';
  sinceMs: number;
  keys: number;
  bytes: number;
}

export interface RegistryOptions {
  readonly heartbeatMs: number;
  readonly silentAfterMs: number;
  readonly timing: TimingName;
  /** This process. */
  readonly master: MasterStart;
}

export class WorkerRegistry {
  private readonly presences = new Map<number, Presence>();
  /** Wakes who waits for a worker to report. */
  readonly reported = new ConditionVariable();
  /** One admission at a time: the second of two must be judged by what the first has stored. */
  private admissions: Promise<unknown> = Promise.resolve();
  private readonly startedMs: number;
  private clusterStopping = false;

  constructor(
    private readonly state: ClusterState,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly recovery: Recovery,
    private readonly options: RegistryOptions,
  ) {
    this.startedMs = clock.wallNowMs();
  }

  /**
   * Admits a worker process, durably.
   * @throws StoreError worker-refused; its fact `final` says whether asking again is pointless.
   */
  async register(index: number, request: Registration): Promise<Welcomed> {
    const { clusterId } = this.state.map.settings;
    await this.serially(() => this.admitOne(index, request));
    // The report may have been the last one that a recovery waits for.
    await this.recovery.proceed();
    const { heartbeatMs, timing, master } = this.options;
    const { fence: generation, configurationsWanted } = this.recovery;
    return { clusterId, heartbeatMs, generation, master, timing, configurationsWanted };
  }

  /** @returns undefined when this process is not the registered one: it must register. */
  heartbeat(
    index: number,
    { store, boot, nonce, state, keys, bytes }: Heartbeat,
  ): HeartbeatAnswer | undefined {
    const presence = this.presences.get(index);
    if (presence === undefined || !this.isRegistered(index, { store, boot, nonce })) return undefined;
    const nowMs = this.clock.wallNowMs();
    if (presence.state !== state || this.stateOf(index) === 'silent') presence.sinceMs = nowMs;
    Object.assign(presence, { heardMs: this.clock.monotonicNowMs(), state, keys, bytes });
    this.reported.wake();
    const { fence: generation, configurationsWanted } = this.recovery;
    return { generation, configurationsWanted, clusterStopping: this.clusterStopping };
  }

  /** Whether the speaker is the process that acts as this worker, and the worker belongs to the cluster. */
  isRegistered(index: number, speaker: Speaker): boolean {
    const current = this.state.member(index)?.registration.current;
    return (
      current?.store === speaker.store &&
      current.maxBoot === speaker.boot &&
      current.nonce === speaker.nonce &&
      this.state.map.worker(workerIndex(index))?.state !== 'removed'
    );
  }

  /** From now on every worker hears that the whole cluster stops, so that nobody hands over to one that stops too. */
  announceStop(): void {
    this.clusterStopping = true;
  }

  view(index: number): WorkerView | undefined {
    const row = this.state.member(index);
    const worker = this.state.map.worker(workerIndex(index));
    if (row === undefined || worker === undefined) return undefined;
    const presence = this.presences.get(index);
    const state = this.stateOf(index);
    const sinceMs = presence === undefined ? this.startedMs : this.sinceMs(presence, state);
    return {
      index,
      urls: {
        http: httpUrlOf(worker.http),
        redis: worker.redisGateway && redisUrlOf(worker.redisGateway),
        redisCluster: worker.redisCluster && redisUrlOf(worker.redisCluster),
      },
      state,
      since: new Date(sinceMs).toISOString(),
      pid: row.pid,
      storeId: row.registration.current.store,
      boot: row.registration.current.maxBoot,
      supervised: row.supervised,
      keys: presence?.keys ?? 0,
      bytes: presence?.bytes ?? 0,
      partitions: this.partitionCounts(worker.index),
    };
  }

  /** All but those that were removed. */
  views(): WorkerView[] {
    return this.state.memberRows().flatMap(({ index }) => {
      const isRemoved = this.state.map.worker(workerIndex(index))?.state === 'removed';
      return isRemoved ? [] : (this.view(index) ?? []);
    });
  }

  /** What one partition holds on average, by the last reports; undefined: nobody has reported any. */
  meanPartition(): { keys: number; bytes: number } | undefined {
    const serving = this.views().filter(({ state }) => state === 'serving');
    const total = (of: (view: WorkerView) => number): number =>
      serving.reduce((sum, view) => sum + of(view), 0);
    const count = total(({ partitions }) => partitions.primary);
    return count === 0
      ? undefined
      : { keys: total(({ keys }) => keys) / count, bytes: total(({ bytes }) => bytes) / count };
  }

  setSupervised(index: number, supervised: boolean): Promise<void> {
    return this.serially(async () => {
      const row = this.state.member(index);
      const worker = this.state.map.worker(workerIndex(index));
      if (row === undefined || worker === undefined || row.supervised === supervised) return;
      await this.state.saveMember({ ...row, supervised }, worker);
    });
  }

  /**
   * Says what a worker is meant to do. Durable when it resolves.
   * @param leaving whether a draining worker is to be removed when nothing is left on it.
   * @throws StoreError worker-not-found
   */
  setState(index: number, state: Worker['state'], leaving: boolean): Promise<void> {
    return this.serially(async () => {
      const row = this.state.member(index);
      const worker = this.state.map.worker(workerIndex(index));
      if (row === undefined || worker === undefined)
        throw new StoreError('worker-not-found', `Worker ${index} is not known.`);
      if (worker.state === state && row.leaving === leaving) return;
      const sinceMs = worker.state === state ? worker.sinceMs : this.clock.wallNowMs();
      await this.state.saveMember({ ...row, leaving }, { ...worker, state, sinceMs });
      if (state === 'removed') this.presences.delete(index);
      if (worker.state !== state) this.log.log(`Worker ${index} is ${state}`);
    });
  }

  /** Brings the map's `presence` of each worker up to date. To be called now and then; what fails now is tried again. */
  async updatePresences(): Promise<void> {
    for (const worker of this.state.map.workers()) {
      const presence = this.presenceOf(worker.index);
      if (presence === undefined || presence === worker.presence) continue;
      await this.state.saveWorker({ ...worker, presence, sinceMs: this.clock.wallNowMs() });
      this.log.log(`Worker ${worker.index} is ${presence}`);
    }
  }

  private serially<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.admissions.then(change);
    this.admissions = turn.catch(() => undefined);
    return turn;
  }

  private async admitOne(index: number, request: Registration): Promise<void> {
    const { clusterId } = this.state.map.settings;
    if (request.clusterId !== null && request.clusterId !== clusterId) {
      throw new StoreError(
        'worker-refused',
        `Worker ${index} is refused: its store belongs to cluster ${request.clusterId}, this is ${clusterId}. If the ` +
          `data of that cluster's master is lost, start a master with an empty directory and ` +
          `--cluster-id=${request.clusterId} to take it over.`,
        { facts: { worker: index, final: true, cluster: clusterId } },
      );
    }
    const known = this.state.member(index);
    const state = this.stateOf(index);
    // Just after a start nobody has been heard yet, and a live worker may be about to speak.
    const mayBeAlive =
      state === 'unheard' && this.clock.wallNowMs() < this.startedMs + this.options.silentAfterMs;
    const answer = admit(known?.registration, request, {
      isCurrentLive: mayBeAlive || (state !== 'unheard' && state !== 'silent'),
      nextNumber: this.state.nextRegistrationNumber,
    });
    if ('refused' in answer) {
      throw answer.refused === 'index-in-use'
        ? refused(
            index,
            `another process is worker ${index}, with process id ${known?.pid ?? 'unknown'}`,
            false,
          )
        : refused(
            index,
            'its disk is an older copy, of before a start that is known here. If others have its partitions, remove ' +
              'its data directory: they send it what it had',
            true,
          );
    }
    const { registration } = answer;
    const before = this.state.map.worker(workerIndex(index));
    if (answer.welcome === 'same-process' && before?.state === 'removed')
      throw refused(index, 'it was removed from the cluster; start it again to let it join anew', true);
    // First of all, because a report may show that nothing here is to be acted on.
    this.recovery.hear(workerIndex(index), registration.current.store, request.report ?? null);
    const isDraining = before?.state === 'draining';
    const row: MemberRow = {
      index,
      registration,
      pid: request.pid,
      supervised: known?.supervised ?? false,
      leaving: isDraining && known?.leaving === true,
    };
    const meant = isDraining ? 'draining' : 'active';
    const worker = workerOf(row, request, meant, this.clock.wallNowMs());
    if (answer.welcome !== 'same-process') await this.state.saveMember(row, worker);
    else if (before === undefined || !isSaid(before, worker)) await this.state.saveWorker(worker);
    const nowMs = this.clock.wallNowMs();
    this.presences.set(index, {
      heardMs: this.clock.monotonicNowMs(),
      state: 'starting',
      sinceMs: nowMs,
      keys: 0,
      bytes: 0,
    });
    this.log.log(`Worker ${index} registered from ${httpUrlOf(request.http)} (${answer.welcome})`);
  }

  /** Undefined: too early to say, just after a start. */
  private presenceOf(index: number): Worker['presence'] | undefined {
    const state = this.stateOf(index);
    if (state !== 'unheard') return state === 'silent' ? 'down' : 'up';
    return this.clock.wallNowMs() < this.startedMs + this.options.silentAfterMs ? undefined : 'down';
  }

  private partitionCounts(index: Worker['index']): WorkerView['partitions'] {
    const { primary, secondary } = this.state.map.partitionsOf(index);
    return { primary: primary.length, secondary: secondary.length };
  }

  private stateOf(index: number): WorkerState {
    const presence = this.presences.get(index);
    if (presence === undefined) return 'unheard';
    return this.clock.monotonicNowMs() - presence.heardMs > this.options.silentAfterMs
      ? 'silent'
      : presence.state;
  }

  private sinceMs(presence: Presence, state: WorkerState): number {
    if (state !== 'silent') return presence.sinceMs;
    return this.clock.wallNowMs() - (this.clock.monotonicNowMs() - presence.heardMs);
  }
}

/** Whether the record of a worker says already what its process has just said; when it said so does not matter. */
function isSaid(record: Worker, said: Worker): boolean {
  return (
    record.state === said.state &&
    record.presence === said.presence &&
    record.weight === said.weight &&
    record.labels.host === said.labels.host &&
    record.labels.zone === said.labels.zone &&
    isSameAddress(record.http, said.http) &&
    isSameAddress(record.redisCluster, said.redisCluster) &&
    isSameAddress(record.redisGateway, said.redisGateway)
  );
}

function isSameAddress(a: Address | null, b: Address | null): boolean {
  return a?.host === b?.host && a?.port === b?.port;
}

function workerOf(
  { index, registration: { current } }: MemberRow,
  request: Registration,
  state: Worker['state'],
  sinceMs: number,
): Worker {
  const { http, redisCluster = null, redisGateway = null, labels, weight } = request;
  return {
    index: workerIndex(index),
    // Given by the store when it is saved.
    revision: 0,
    store: current.store,
    registrationNumber: current.number,
    boot: current.maxBoot,
    state,
    presence: 'up',
    sinceMs,
    http,
    redisCluster,
    redisGateway,
    labels,
    weight,
  };
}

function refused(index: number, reason: string, final: boolean): StoreError {
  return new StoreError('worker-refused', `Worker ${index} is refused: ${reason}.`, {
    facts: { worker: index, final },
  });
}
