/**
 * A partition over its replica: what the router talks to where the primary is, and what answers stale reads anywhere.
 *
 *     perform ──► decide against the newest prepared state ──► log, disks, commit ──► answer
 *     get     ──► overlay, cache, data ──► may it be given out? asked with the value in hand ──► answer
 *     page    ──► wait until what was committed before is in the data ──► read ──► the same question ──► answer
 *
 * A read that finds its data in memory is one synchronous step, so nothing can come between looking up and asking.
 */
import { invariant } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';
import type { WriteOperation } from '@diststore/data';
import type { Op, ReadToken, Replica, Request, Seq } from '@diststore/replication';
import {
  dataRange,
  decodeState,
  expiredRange,
  keyOfData,
  PAGE_ENTRIES_MAX,
  parseExpiryKey,
  stateKey,
} from '@diststore/storage';
import type { Entry, Storage, StoredRecord, WriteOp } from '@diststore/storage';

import { PAGE_PAYLOAD_BYTES_MAX } from '../data/partition.js';
import type { PageOptions, PageRecord, Partition, Performed, RecordPage } from '../data/partition.js';
import { PAGE_WAIT_MS, SWEEP_ROWS_MAX } from './limits.js';
import { errorOfVerdict, notPrimary, outcomeUnknown, retryLater } from './outcomes.js';
import type { ReplicaHost } from './replica-host.js';
import type { Seat } from './seat.js';
import { asBuffer } from './store/durable-ops.js';
import { nameOf } from './store/replica-reads.js';
import { ClientWrite } from './write-call.js';
import type { WriteLimits } from './write-call.js';

/** A record as this replica has it, and how old that may be. */
export interface StaleRecord {
  readonly record: StoredRecord | undefined;
  /** The last entry that the data reflects. */
  readonly asOfSeq: Seq;
  /** Since this replica last heard its primary; 0 at a primary that may serve. */
  readonly lagMs: number;
}

/** An erased replica may come to the same entry again, with other data, but not as it was installed before. */
interface Quiet {
  readonly applied: Seq;
  readonly installed: Seat['installed'];
  readonly beforeMs: number;
}

const NOTHING = Buffer.alloc(0);

export class ReplicatedPartition implements Partition {
  readonly id: PartitionId;
  private readonly seat: Seat;
  /** What the last sweep saw that found nothing expired. Nothing expires `beforeMs` while the rest is as it was. */
  private nothingDue: Quiet | undefined;

  constructor(
    private readonly host: ReplicaHost,
    private readonly storage: Storage,
    private readonly limits: WriteLimits,
    private readonly wallNowMs: () => number,
    id: PartitionId,
  ) {
    this.id = id;
    this.seat = host.seat(id);
  }

  get keys(): number {
    return this.seat.counts.keys;
  }

  get bytes(): number {
    return this.seat.counts.bytes;
  }

  /** Whether its replica here leads, as far as it knows. */
  get isPrimary(): boolean {
    return this.seat.role === 'primary';
  }

  get(key: Buffer): StoredRecord | undefined | Promise<StoredRecord | undefined> {
    const replica = this.replica();
    const found = this.lookUp(replica, key);
    // Of this very moment, so it holds for the value too if that is in hand already.
    const token = replica.beginRead(this.host.driver.moment());
    if (typeof token === 'string') {
      // Nobody waits for it any more, whatever it comes to.
      if (found instanceof Promise) found.catch(() => undefined);
      throw errorOfVerdict(this.id, token);
    }
    if (!(found instanceof Promise)) return this.visible(found, this.clearedThrough(replica));
    return this.getLater(replica, token, found);
  }

  perform(operation: WriteOperation, request?: Request): Promise<Performed> {
    return new Promise((resolve, reject) => {
      // What is thrown here rejects: nothing was done.
      if (this.seat.replica === undefined) throw notPrimary(this.id, undefined);
      this.host.checkRoom();
      this.host.driver.write(new ClientWrite(this.seat, operation, request, this.limits, resolve, reject));
    });
  }

  async page(from: Buffer, to: Buffer | undefined, { limit, keysOnly }: PageOptions): Promise<RecordPage> {
    const replica = this.replica();
    const token = replica.beginRead(this.host.driver.moment());
    if (typeof token === 'string') throw errorOfVerdict(this.id, token);
    const all = dataRange(this.id);
    const gte = Buffer.concat([all.gte, from]);
    const lt = to === undefined ? all.lt : Buffer.concat([all.gte, to]);
    if (gte.compare(lt) >= 0) return { records: [], next: undefined };
    await this.applied(replica);
    const page = await this.storage.page({ gte, lt }, { limit: Math.min(limit, PAGE_ENTRIES_MAX) });
    this.check(replica, token);
    const clearedThrough = this.clearedThrough(replica);
    const payloadBytesMax = keysOnly ? -1 : PAGE_PAYLOAD_BYTES_MAX;
    const records: PageRecord[] = [];
    for (const { key: row, value } of page.entries) {
      const key = keyOfData(row);
      const record = this.visible(this.seat.store.recordIn(key, value), clearedThrough);
      if (record === undefined) continue;
      const isWhole = record.payload.length <= payloadBytesMax;
      records.push({ key, record: isWhole ? record : { ...record, payload: NOTHING }, isWhole });
    }
    const last = page.entries.at(-1);
    if (page.done || last === undefined) return { records, next: undefined };
    return { records, next: Buffer.concat([keyOfData(last.key), Buffer.alloc(1)]) };
  }

  /**
   * As `get`, but the other replicas are asked whether this one still leads: no clock is relied on.
   * @throws StoreError record-corrupt, retry-later, too-many-requests
   */
  async readConfirmed(key: Buffer): Promise<StoredRecord | undefined> {
    const replica = this.replica();
    const token = replica.beginConfirmedRead();
    if (typeof token === 'string') throw errorOfVerdict(this.id, token);
    const record = this.visible(await this.lookUp(replica, key), this.clearedThrough(replica));
    if (this.seat.replica !== replica || !(await this.host.driver.confirm(this.seat)))
      throw retryLater(this.id);
    const verdict = replica.mayAnswerConfirmed(token);
    if (verdict !== 'ok') throw errorOfVerdict(this.id, verdict);
    return record;
  }

  /**
   * What this replica has, whoever leads. It may be old; `lagMs` bounds by how much.
   * @throws StoreError record-corrupt; retry-later: there is nothing here that may be read
   */
  async readStale(key: Buffer): Promise<StaleRecord> {
    const replica = this.replica();
    const before = this.staleness(replica);
    const stored = await this.seat.store.get(key);
    // A snapshot may have begun to take the data's place.
    if (this.seat.replica !== replica) throw retryLater(this.id);
    this.staleness(replica);
    return { record: this.visible(stored, this.clearedThrough(replica)), ...before };
  }

  // --------------------------------------------------------------------------------------------------------- sweeping

  /**
   * One bounded step of removing expired records: through the log where this replica leads, and nothing elsewhere,
   * where the log will say so. Rows of the expiry index that mean nothing any more go at once, on every replica.
   * Resolves with true when there may be more to do.
   * @throws as `perform`
   */
  async sweepExpired(): Promise<boolean> {
    const { seat, nothingDue } = this;
    const { replica } = seat;
    if (replica?.status.state !== 'ok') return false;
    // Before looking: what is applied meanwhile may not be seen.
    const { applied } = replica;
    const { installed } = seat;
    const nowMs = seat.now(this.wallNowMs());
    const isIdle = nothingDue?.applied === applied && nothingDue.installed === installed;
    if (isIdle && nowMs < nothingDue.beforeMs) return false;
    const due = await this.storage.page(expiredRange(this.id, nowMs), { limit: SWEEP_ROWS_MAX });
    if (due.entries.length === 0) {
      // Where much is written there is no use in looking ahead.
      this.nothingDue = { applied, installed, beforeMs: isIdle ? await this.firstExpiryMs() : 0 };
      return false;
    }
    const removed = this.isPrimary
      ? await this.removeExpired(due.entries.map(({ key }) => parseExpiryKey(key)))
      : 0;
    const stale = this.staleIndexRows(due.entries);
    if (stale.length > 0) await this.storage.write(stale);
    return removed + stale.length > 0 && !due.done;
  }

  /** When the first record expires; Infinity: none does. */
  private async firstExpiryMs(): Promise<number> {
    const { entries } = await this.storage.page(expiredRange(this.id, Number.MAX_SAFE_INTEGER - 1), {
      limit: 1,
    });
    const [first] = entries;
    return first === undefined ? Infinity : parseExpiryKey(first.key).expireAtMs;
  }

  /**
   * Removes what nobody can see any more, beside the log: what a clear has hidden, old results of requests, trimmed
   * log. After each step `pause` is awaited; the sweep is given up when it answers false.
   * @throws StoreError store-closed, store-failed
   */
  async sweepLeftovers(pause: () => Promise<boolean>): Promise<void> {
    const { seat, host } = this;
    if (seat.replica?.status.state !== 'ok') return;
    const underWay = (): ReturnType<ReplicaHost['underWay']> =>
      seat.replica === undefined ? undefined : host.underWay(this.id);
    if (seat.store.clearPending) await seat.store.sweepCleared(underWay, pause);
    while (await seat.store.sweepOld(underWay)) if (!(await pause())) return;
  }

  /** Decided here and now, on what is durable; what is under way is left alone. */
  private staleIndexRows(rows: readonly Entry[]): WriteOp[] {
    const underWay = this.seat.replica === undefined ? undefined : this.host.underWay(this.id);
    if (underWay === undefined) return [];
    const ops: WriteOp[] = [];
    for (const { key: row } of rows) {
      const { key, expireAtMs } = parseExpiryKey(row);
      if (underWay.keys.has(nameOf(key))) continue;
      const { reads } = this.seat.store.readForWrite({ appliedSeq: 0, keys: [key], requestId: undefined });
      if (reads.records.get(nameOf(key))?.expireAtMs !== expireAtMs) ops.push({ type: 'del', key: row });
    }
    return ops;
  }

  /** Each by the row of the index that is its own: a key may have others, left of records that a clear has hidden. */
  private removeExpired(
    due: readonly { readonly key: Buffer; readonly expireAtMs: number }[],
  ): Promise<number> {
    const { seat, host } = this;
    const keys = due.map(({ key }) => key);
    let removed = 0;
    return new Promise((resolve, reject) => {
      if (seat.replica === undefined) throw notPrimary(this.id, undefined);
      host.driver.write({
        seat,
        request: undefined,
        read: (appliedSeq) => seat.store.readForWrite({ appliedSeq, keys, requestId: undefined }).reads,
        command: (view) => {
          const { clockMs, counts } = view;
          const ops: Op[] = [];
          let bytes = 0;
          for (const { key, expireAtMs } of due) {
            const row = view.get(key);
            if (row?.expireAtMs !== expireAtMs || expireAtMs > clockMs) continue;
            ops.push({ type: 'del', key, oldExpireAtMs: expireAtMs });
            bytes += key.length + row.payload.length;
          }
          removed = ops.length;
          if (removed === 0) return { type: 'answer', result: NOTHING };
          const left = { keys: Math.max(0, counts.keys - removed), bytes: Math.max(0, counts.bytes - bytes) };
          return { type: 'write', ops, counts: left, result: NOTHING };
        },
        done: ({ type }) => {
          // Whatever else: it is still there, and hidden, at the next sweep.
          if (type === 'ok' || type === 'answer') resolve(removed);
          else resolve(0);
        },
        lost: () => reject(outcomeUnknown(this.id, 'its replica stopped')),
      });
    });
  }

  // ---------------------------------------------------------------------------------------------------------- reading

  private replica(): Replica {
    const { replica } = this.seat;
    if (replica === undefined) throw notPrimary(this.id, undefined);
    return replica;
  }

  private lookUp(
    replica: Replica,
    key: Buffer,
  ): StoredRecord | undefined | Promise<StoredRecord | undefined> {
    const name = nameOf(key);
    const pending = replica.pending(name);
    if (pending?.committed === undefined) return this.seat.find(key, name, pending !== undefined);
    const { record } = pending.committed;
    return record === undefined ? undefined : { ...record, payload: asBuffer(record.payload) };
  }

  private async getLater(
    replica: Replica,
    token: ReadToken,
    found: Promise<StoredRecord | undefined>,
  ): Promise<StoredRecord | undefined> {
    const record = await found;
    // The tenure may have ended while waiting.
    this.check(replica, token);
    return this.visible(record, this.clearedThrough(replica));
  }

  /** With the value in hand. @throws StoreError retry-later */
  private check(replica: Replica, token: ReadToken): void {
    if (this.seat.replica !== replica) throw retryLater(this.id);
    const verdict = replica.mayAnswer(token, this.host.driver.moment());
    if (verdict !== 'ok') throw errorOfVerdict(this.id, verdict);
  }

  private visible(record: StoredRecord | undefined, clearedThrough: Seq): StoredRecord | undefined {
    if (record === undefined || record.version <= clearedThrough) return undefined;
    const { expireAtMs } = record;
    if (expireAtMs !== 0 && expireAtMs <= this.seat.now(this.wallNowMs())) return undefined;
    return record;
  }

  /**
   * What readers go by. A sole replica writes its data before it is told that this is durable, and others may have
   * seen there what came after a clear: while one is under way the disk says whether it has happened.
   */
  private clearedThrough(replica: Replica): Seq {
    const { clearedThrough } = replica;
    if (this.seat.clearedThrough <= clearedThrough) return clearedThrough;
    const row = this.storage.getSync(stateKey(this.id));
    return row === undefined ? clearedThrough : Math.max(clearedThrough, decodeState(row).clearedThrough);
  }

  private staleness(replica: Replica): { asOfSeq: Seq; lagMs: number } {
    const staleness = replica.staleness(this.host.driver.moment().nowMs);
    // One that has just started has not heard its primary yet.
    if (staleness === undefined || staleness.lagMs === Infinity) throw retryLater(this.id);
    return staleness;
  }

  /** Until the data reflects what is committed now. */
  private async applied(replica: Replica): Promise<void> {
    const { committed } = replica.status;
    if (replica.applied >= committed) return;
    const waiting = this.seat.whenApplied(committed);
    this.host.hurry();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, PAGE_WAIT_MS, 'late');
    });
    const first = await Promise.race([waiting, late]);
    clearTimeout(timer);
    if (first === 'late') throw retryLater(this.id);
    invariant(this.seat.replica !== replica || replica.applied >= committed, 'what was waited for has come');
  }
}
