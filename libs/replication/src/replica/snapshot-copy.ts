/**
 * Taking a snapshot in, in place of everything that was here. Only a replica that counts for nothing is erased for it.
 * Its row 01 says `loading` from before the first row is deleted until after the last one is durable, so that a crash
 * in between finds it marked and starts over.
 */
import { sameMember, sameVer } from '@diststore/cluster';
import type { Configuration, Member, Ver, WorkerIndex } from '@diststore/cluster';

import { APPLIED_NOTHING } from '../durable-state.js';
import type { AppliedState, InstalledState } from '../durable-state.js';
import { SNAPSHOT_CHUNKS_IN_FLIGHT } from '../limits.js';
import type { Message, SnapshotRow } from '../message.js';
import { MemoryIndexedLog } from '../replica-log.js';
import type { DiskQueue } from './disk-queue.js';
import type { LogBudget } from './log-budget.js';
import { verOf } from './replica-state.js';
import type { ReplicaState } from './replica-state.js';
import type { Rules } from './rules.js';
import type { Tenures } from './tenures.js';

/** Acknowledges a snapshot as a whole: above every index. */
const SNAPSHOT_COMPLETE = 0xffff_ffff;

interface Loading {
  readonly state: AppliedState;
  /** Chunks enqueued, and durable. */
  received: number;
  durable: number;
  /** Chunks that overtook others, by index. */
  readonly early: Map<number, readonly SnapshotRow[]>;
}

export class SnapshotCopy {
  private loading: Loading | undefined;

  constructor(
    private readonly s: ReplicaState,
    private readonly rules: Rules,
    private readonly disk: DiskQueue,
    private readonly tenures: Tenures,
    private readonly budget: LogBudget,
  ) {}

  onBegin(from: Member, message: Extract<Message, { type: 'snapshotBegin' }>): void {
    const { s } = this;
    const { configuration, snapshotId, state } = message;
    if (!sameMember(configuration.primary, from)) return;
    this.tenures.onConfiguration(configuration);
    const { seen } = s;
    if (seen === null || !sameVer(seen, configuration) || s.isSelf(seen.primary)) return;
    if (snapshotId === s.installed.snapshotId && this.rules.isInstalled(configuration)) {
      this.acknowledge(from.worker, verOf(configuration));
      return;
    }
    if (snapshotId <= s.installed.snapshotId || !this.rules.mayBeErased(configuration)) return;
    this.erase(configuration, snapshotId, state, from.worker);
  }

  private erase(
    configuration: Configuration,
    snapshotId: number,
    state: AppliedState,
    to: WorkerIndex,
  ): void {
    const { s } = this;
    this.disk.forgetAll();
    this.startFrom(APPLIED_NOTHING);
    this.budget.forget();
    const loading: Loading = { state, received: 0, durable: -1, early: new Map() };
    this.loading = loading;
    const installed: InstalledState = {
      ...s.installed,
      configuration,
      tenure: false,
      waited: false,
      shared: true,
      state: 'loading',
      snapshotId,
    };
    this.disk.install(installed, []);
    // Behind row 01, so that a crash in the middle of erasing finds it marked.
    this.disk.persist({
      writes: [{ type: 'erase' }],
      urgent: true,
      then: () => {
        if (this.loading !== loading) return;
        loading.durable = Math.max(loading.durable, 0);
        this.acknowledge(to, verOf(configuration));
      },
    });
  }

  private startFrom(state: AppliedState): void {
    const { s } = this;
    s.log = new MemoryIndexedLog(state, []);
    s.queuedState = state;
    s.flushedTo = state.applied;
    s.durable = state.applied;
    s.committed = state.applied;
    s.applied = state.applied;
    s.acknowledged = state.applied;
    s.committedClear = state.clearedThrough;
  }

  private acknowledge(to: WorkerIndex, ver: Ver): void {
    const { s, loading } = this;
    const { snapshotId, state } = s.installed;
    // Once all of it is here; the primary counts its chunks itself.
    if (loading === undefined) {
      if (state === 'ok' && s.installedDurable)
        s.send(to, { type: 'snapshotAck', ver, snapshotId, index: SNAPSHOT_COMPLETE });
      return;
    }
    if (loading.durable >= 0) s.send(to, { type: 'snapshotAck', ver, snapshotId, index: loading.durable });
  }

  private isCurrent(ver: Ver, snapshotId: number): boolean {
    return this.rules.isInstalled(ver) && snapshotId === this.s.installed.snapshotId;
  }

  onChunk(from: Member, message: Extract<Message, { type: 'snapshotChunk' }>): void {
    const { ver, snapshotId, index, rows } = message;
    if (!this.isCurrent(ver, snapshotId)) return;
    const { loading } = this;
    if (loading === undefined || index <= loading.received) {
      this.acknowledge(from.worker, ver);
      return;
    }
    if (index > loading.received + SNAPSHOT_CHUNKS_IN_FLIGHT) return;
    loading.early.set(index, rows);
    for (;;) {
      const next = loading.early.get(loading.received + 1);
      if (next === undefined) break;
      loading.early.delete(loading.received + 1);
      this.load(loading, next, from.worker, ver);
    }
  }

  private load(loading: Loading, rows: readonly SnapshotRow[], to: WorkerIndex, ver: Ver): void {
    loading.received += 1;
    const index = loading.received;
    this.disk.persist({
      writes: [{ type: 'rows', rows }],
      urgent: true,
      then: () => {
        if (this.loading !== loading) return;
        loading.durable = index;
        this.acknowledge(to, ver);
      },
    });
  }

  onEnd(from: Member, message: Extract<Message, { type: 'snapshotEnd' }>): void {
    const { s } = this;
    const { ver, snapshotId, chunks } = message;
    if (!this.isCurrent(ver, snapshotId)) return;
    const { loading } = this;
    if (loading?.received !== chunks) {
      this.acknowledge(from.worker, ver);
      return;
    }
    const { state } = loading;
    this.loading = undefined;
    this.startFrom(state);
    this.disk.install({ ...s.installed, state: 'ok' }, [{ type: 'state', state }], () =>
      this.acknowledge(from.worker, ver),
    );
  }
}
