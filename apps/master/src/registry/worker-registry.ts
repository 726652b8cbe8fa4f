/**
 * Who belongs to the cluster, and how each worker is. Membership is durable (cluster-state.ts); whether a worker is heard
 * from is remembered only, and begins anew when the master starts.
 *
 *     unheard ──registers──► starting ──reports──► serving ──silentAfterMs without a report──► silent ──reports──► serving
 *                                                     └──says so──► draining ──silentAfterMs──► silent
 *
 * A worker reports for the first time when it knows the cluster, so that `serving` means that it answers.
 */
import { type Clock, StoreError } from '@diststore/base';
import type { Heartbeat, Registration, Speaker, Welcomed } from '@diststore/cluster';
import { admit, httpUrlOf, type Worker, workerIndex } from '@diststore/cluster';
import { Condition, type Log } from '@diststore/process';

import type { ClusterState, MemberRow } from '../cluster/cluster-state.js';

/** `unheard`: known from before the master started, and not heard from since. */
export type WorkerState = 'unheard' | 'starting' | 'serving' | 'draining' | 'silent';

export interface WorkerView {
  readonly index: number;
  readonly urls: { readonly http: string };
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
}

export class WorkerRegistry {
  private readonly presences = new Map<number, Presence>();
  /** Wakes who waits for a worker to report. */
  readonly reported = new Condition();
  /** One admission at a time: the second of two must be judged by what the first has stored. */
  private admissions: Promise<unknown> = Promise.resolve();
  private readonly startedMs: number;

  constructor(
    private readonly state: ClusterState,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly options: RegistryOptions,
  ) {
    this.startedMs = clock.wallNowMs();
  }

  /**
   * Admits a worker process, durably.
   * @throws StoreError worker-refused; its fact `final` says whether asking again is pointless.
   */
  register(index: number, request: Registration): Promise<Welcomed> {
    const admission = this.admissions.then(() => this.admitOne(index, request));
    this.admissions = admission.catch(() => undefined);
    return admission;
  }

  /** @returns false when this process is not the registered one: it must register. */
  heartbeat(index: number, { store, boot, nonce, state, keys, bytes }: Heartbeat): boolean {
    const presence = this.presences.get(index);
    if (presence === undefined || !isCurrent(this.state.member(index), { store, boot, nonce })) return false;
    const nowMs = this.clock.wallNowMs();
    if (presence.state !== state || this.stateOf(index) === 'silent') presence.sinceMs = nowMs;
    Object.assign(presence, { heardMs: this.clock.monotonicNowMs(), state, keys, bytes });
    this.reported.wake();
    return true;
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
      urls: { http: httpUrlOf(worker.http) },
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

  views(): WorkerView[] {
    return this.state.memberRows().flatMap(({ index }) => this.view(index) ?? []);
  }

  async setSupervised(index: number, supervised: boolean): Promise<void> {
    const row = this.state.member(index);
    const worker = this.state.map.worker(workerIndex(index));
    if (row === undefined || worker === undefined || row.supervised === supervised) return;
    await this.state.saveMember({ ...row, supervised }, worker);
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

  private async admitOne(index: number, request: Registration): Promise<Welcomed> {
    const { clusterId } = this.state.map.settings;
    if (request.clusterId !== null && request.clusterId !== clusterId) {
      throw refused(index, `its store belongs to cluster ${request.clusterId}, this is ${clusterId}`, true);
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
        : refused(index, 'its disk is an older copy: this start of its store has been seen before', true);
    }
    const { registration } = answer;
    const row: MemberRow = { index, registration, pid: request.pid, supervised: known?.supervised ?? false };
    if (answer.welcome === 'same-process') await this.markUp(index);
    else await this.state.saveMember(row, workerOf(row, request, this.clock.wallNowMs()));
    const nowMs = this.clock.wallNowMs();
    this.presences.set(index, {
      heardMs: this.clock.monotonicNowMs(),
      state: 'starting',
      sinceMs: nowMs,
      keys: 0,
      bytes: 0,
    });
    this.log.log(`Worker ${index} registered from ${httpUrlOf(request.http)} (${answer.welcome})`);
    return { clusterId, heartbeatMs: this.options.heartbeatMs };
  }

  /** At once, not at the next look: partitions are created on workers that are up, when the last of them registers. */
  private async markUp(index: number): Promise<void> {
    const worker = this.state.map.worker(workerIndex(index));
    if (worker?.presence !== 'down') return;
    await this.state.saveWorker({ ...worker, presence: 'up', sinceMs: this.clock.wallNowMs() });
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

function isCurrent(row: MemberRow | undefined, { store, boot, nonce }: Speaker): boolean {
  const current = row?.registration.current;
  return current?.store === store && current.maxBoot === boot && current.nonce === nonce;
}

function workerOf(
  { index, registration: { current } }: MemberRow,
  request: Registration,
  sinceMs: number,
): Worker {
  const { http, labels, weight } = request;
  return {
    index: workerIndex(index),
    // Given by the store when it is saved.
    revision: 0,
    store: current.store,
    registrationNumber: current.number,
    boot: current.maxBoot,
    state: 'active',
    presence: 'up',
    sinceMs,
    http,
    redisCluster: null,
    redisGateway: null,
    labels,
    weight,
  };
}

function refused(index: number, reason: string, final: boolean): StoreError {
  return new StoreError('worker-refused', `Worker ${index} is refused: ${reason}.`, {
    facts: { worker: index, final },
  });
}
