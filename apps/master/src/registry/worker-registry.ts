/**
 * Who belongs to the cluster, and how each worker is. Membership is durable (metadata.ts); whether a worker is heard
 * from is remembered only, and begins anew when the master starts.
 *
 *     unheard ──registers──► serving ──silentAfterMs without a report──► silent ──reports──► serving
 *                               └──says so──► draining ──silentAfterMs──► silent
 */
import { type Clock, StoreError } from '@diststore/base';
import type { Heartbeat, Registration, Speaker, Welcomed } from '@diststore/cluster';
import { admit, httpUrlOf } from '@diststore/cluster';
import type { Log } from '@diststore/process';

import type { Metadata, WorkerRow } from './metadata.js';

/** `unheard`: known from before the master started, and not heard from since. */
export type WorkerState = 'unheard' | 'serving' | 'draining' | 'silent';

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
  state: 'serving' | 'draining';
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
  private readonly waiting = new Set<() => void>();
  /** One admission at a time: the second of two must be judged by what the first has stored. */
  private admissions: Promise<unknown> = Promise.resolve();
  private readonly startedMs: number;

  constructor(
    private readonly metadata: Metadata,
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
    if (presence === undefined || !isCurrent(this.metadata.worker(index), { store, boot, nonce }))
      return false;
    const nowMs = this.clock.wallNowMs();
    if (presence.state !== state || this.stateOf(index) === 'silent') presence.sinceMs = nowMs;
    Object.assign(presence, { heardMs: this.clock.monotonicNowMs(), state, keys, bytes });
    this.wake();
    return true;
  }

  view(index: number): WorkerView | undefined {
    const row = this.metadata.worker(index);
    if (row === undefined) return undefined;
    const presence = this.presences.get(index);
    const state = this.stateOf(index);
    const sinceMs = presence === undefined ? this.startedMs : this.sinceMs(presence, state);
    return {
      index,
      urls: { http: httpUrlOf(row.http) },
      state,
      since: new Date(sinceMs).toISOString(),
      pid: row.pid,
      storeId: row.registration.current.store,
      boot: row.registration.current.maxBoot,
      supervised: row.supervised,
      keys: presence?.keys ?? 0,
      bytes: presence?.bytes ?? 0,
      partitions: { primary: 1, secondary: 0 },
    };
  }

  views(): WorkerView[] {
    return this.metadata.workers().flatMap(({ index }) => this.view(index) ?? []);
  }

  /** Resolves with true as soon as `condition` holds, with false when `signal` is aborted first. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<boolean> {
    while (!condition()) {
      if (signal.aborted) return false;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.waiting.add(done);
        signal.addEventListener('abort', done);
      });
    }
    return true;
  }

  async setSupervised(index: number, supervised: boolean): Promise<void> {
    const row = this.metadata.worker(index);
    if (row !== undefined && row.supervised !== supervised)
      await this.metadata.saveWorker({ ...row, supervised });
  }

  private async admitOne(index: number, request: Registration): Promise<Welcomed> {
    const { clusterId } = this.metadata;
    if (request.clusterId !== null && request.clusterId !== clusterId) {
      throw refused(index, `its store belongs to cluster ${request.clusterId}, this is ${clusterId}`, true);
    }
    const known = this.metadata.worker(index);
    const state = this.stateOf(index);
    // Just after a start nobody has been heard yet, and a live worker may be about to speak.
    const mayBeAlive =
      state === 'unheard' && this.clock.wallNowMs() < this.startedMs + this.options.silentAfterMs;
    const answer = admit(known?.registration, request, {
      isCurrentLive: state === 'serving' || state === 'draining' || mayBeAlive,
      nextNumber: this.metadata.nextRegistrationNumber,
    });
    if ('refused' in answer) {
      throw answer.refused === 'index-in-use'
        ? refused(
            index,
            `another process is worker ${index}, at ${known === undefined ? '?' : httpUrlOf(known.http)}`,
            false,
          )
        : refused(index, 'its disk is an older copy: this start of its store has been seen before', true);
    }
    const row: WorkerRow = {
      index,
      registration: answer.registration,
      http: request.http,
      pid: request.pid,
      supervised: known?.supervised ?? false,
    };
    if (JSON.stringify(row) !== JSON.stringify(known)) await this.metadata.saveWorker(row);
    const nowMs = this.clock.wallNowMs();
    this.presences.set(index, {
      heardMs: this.clock.monotonicNowMs(),
      state: 'serving',
      sinceMs: nowMs,
      keys: 0,
      bytes: 0,
    });
    this.log.log(`Worker ${index} registered from ${httpUrlOf(request.http)} (${answer.welcome})`);
    return { clusterId, heartbeatMs: this.options.heartbeatMs };
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

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}

function isCurrent(row: WorkerRow | undefined, { store, boot, nonce }: Speaker): boolean {
  const current = row?.registration.current;
  return current?.store === store && current.maxBoot === boot && current.nonce === nonce;
}

function refused(index: number, reason: string, final: boolean): StoreError {
  return new StoreError('worker-refused', `Worker ${index} is refused: ${reason}.`, {
    facts: { worker: index, final },
  });
}
