/**
 * The store as one would write it without a disk: a list of states, one per write, of which the first so many are
 * durable. A crash throws the rest away.
 */
import type {
  Change,
  Compare,
  CommitResult,
  LeaseId,
  MetadataRecord,
  RecordChange,
} from '../src/metadata-store.js';

interface State {
  readonly revision: number;
  readonly records: ReadonlyMap<string, MetadataRecord>;
  readonly leases: ReadonlyMap<LeaseId, number>;
  readonly lastLease: number;
  /** What this write changed, if it raised the revision. */
  readonly changes: readonly RecordChange[];
}

const EMPTY: State = { revision: 0, records: new Map(), leases: new Map(), lastLease: 0, changes: [] };

export class MetadataModel {
  /** All writes ever, the ones lost in a crash left out. */
  private states: State[] = [EMPTY];
  private durableCount = 1;
  /** What the newest opening found. */
  private openedAt = 0;
  private ends = new Map<LeaseId, number>();

  constructor(private readonly nowMs: () => number) {}

  /** Number of the newest write: what is answered now may be answered once that is durable. */
  get newest(): number {
    return this.states.length - 1;
  }

  get durable(): number {
    return this.durableCount - 1;
  }

  get revision(): number {
    return this.state.revision;
  }

  get leaseIds(): LeaseId[] {
    return Array.from({ length: this.state.lastLease + 1 }, (_unused, i) => String(i + 1) as LeaseId);
  }

  record(name: string): MetadataRecord | undefined {
    return this.state.records.get(name);
  }

  commit(compares: readonly Compare[], changes: readonly Change[]): CommitResult {
    const { records, revision } = this.state;
    const held = compares.every((compare) => {
      const record = records.get(compare.name);
      if ('modRevision' in compare) return compare.modRevision === (record?.modRevision ?? 0);
      return compare.createRevision === (record?.createRevision ?? 0);
    });
    if (!held) {
      return {
        ok: false,
        reason: 'compare-failed',
        revision,
        current: compares.map(({ name }) => records.get(name)),
      };
    }
    for (const change of changes) {
      if (change.type === 'put' && change.lease !== undefined && !this.isAlive(change.lease)) {
        this.revoke(change.lease);
        return { ok: false, reason: 'lease-gone', lease: change.lease };
      }
    }
    this.change(changes, {});
    return { ok: true, revision: this.revision };
  }

  grant(ttlMs: number): LeaseId {
    const lastLease = this.state.lastLease + 1;
    const id = String(lastLease) as LeaseId;
    this.change([], { leases: new Map([...this.state.leases, [id, ttlMs]]), lastLease });
    this.ends.set(id, this.nowMs() + ttlMs);
    return id;
  }

  keepAlive(id: LeaseId): boolean {
    if (this.isAlive(id)) {
      this.ends.set(id, this.nowMs() + (this.state.leases.get(id) ?? 0));
      return true;
    }
    this.revoke(id);
    return false;
  }

  revoke(id: LeaseId): void {
    if (!this.state.leases.has(id)) return;
    const leases = new Map(this.state.leases);
    leases.delete(id);
    const held = [...this.state.records.values()].filter(({ lease }) => lease === id).map(({ name }) => name);
    this.change(
      held.sort().map((name) => ({ type: 'del', name })),
      { leases },
    );
  }

  expire(): void {
    for (const id of this.state.leases.keys()) if (!this.isAlive(id)) this.revoke(id);
  }

  makeDurable(writes: number): void {
    this.durableCount += writes;
  }

  /** Only what is durable is left, and every lease has its whole time before it. */
  reopen(): void {
    this.states = this.states.slice(0, this.durableCount);
    this.openedAt = this.revision;
    this.ends = new Map([...this.state.leases].map(([id, ttlMs]) => [id, this.nowMs() + ttlMs]));
  }

  /** What a read shows. */
  durableRecords(prefix: string): MetadataRecord[] {
    const { records } = this.states[this.durable] ?? EMPTY;
    return [...records.values()]
      .filter(({ name }) => name.startsWith(prefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  durableRevision(): number {
    return (this.states[this.durable] ?? EMPTY).revision;
  }

  /** What a watch has shown by now that the newest opening has not outlived. */
  news(prefix: string, fromRevision: number): unknown[] {
    if (fromRevision <= this.openedAt) return [{ type: 'compacted' }];
    return this.states
      .slice(0, this.durableCount)
      .filter(({ revision, changes }) => changes.length > 0 && revision >= fromRevision)
      .map(({ revision, changes }) => ({
        type: 'changes',
        revision,
        changes: changes.filter(({ name }) => name.startsWith(prefix)),
      }))
      .filter(({ changes }) => changes.length > 0);
  }

  private get state(): State {
    return this.states[this.newest] ?? EMPTY;
  }

  private isAlive(id: LeaseId): boolean {
    return this.state.leases.has(id) && this.nowMs() < (this.ends.get(id) ?? 0);
  }

  private change(changes: readonly Change[], rest: Partial<Pick<State, 'leases' | 'lastLease'>>): void {
    const records = new Map(this.state.records);
    const revision = this.revision + 1;
    const done: RecordChange[] = [];
    for (const change of changes) {
      const { name } = change;
      const before = records.get(name);
      if (change.type === 'put') {
        const { value, lease } = change;
        const createRevision = before?.createRevision ?? revision;
        const record = { name, value, createRevision, modRevision: revision, lease };
        records.set(name, record);
        done.push({ name, record });
      } else if (before !== undefined) {
        records.delete(name);
        done.push({ name, record: undefined });
      }
    }
    if (done.length === 0 && Object.keys(rest).length === 0) return;
    const next = { ...this.state, ...rest, records, changes: done };
    this.states.push(done.length === 0 ? next : { ...next, revision });
  }
}
