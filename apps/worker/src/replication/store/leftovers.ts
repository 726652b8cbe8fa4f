/**
 * What is still stored of a replica although nobody can see it any more: log rows below the base, results of old
 * requests, and records that a clear has hidden. Each replica removes its own, beside the log, in bounded steps.
 *
 * Beside the log means that a step could delete what a newer write, still on its way to the disk, is about to put. So
 * the decision to delete is one synchronous step on what is durable, leaves alone what is under way, and hands its
 * deletes to the storage before anything else can be enqueued.
 *
 * Where a sweep of rows in order of age has come to is remembered: LevelDB would step over every deleted row anew.
 */
import { isStoreError } from '@diststore/base';
import type { AppliedState, DurableWrite, Seq } from '@diststore/replication';
import {
  dataRange,
  decodeFinished,
  decodeRecord,
  decodeState,
  expiryKey,
  keyOfData,
  logRange,
  parseRequestAgeKey,
  requestAgeRange,
  requestKey,
  stateKey,
} from '@diststore/storage';
import type { KeyRange, Page, PartitionState, Storage, WriteOp } from '@diststore/storage';

import { REQUEST_ENTRIES_MAX, REQUEST_TTL_MS, SWEEP_ROWS_MAX, TRIM_ROWS_MAX } from './limits.js';
import { nameOf } from './replica-reads.js';
import { isDamage } from './state-row.js';

/** What enqueued writes of the partition that are not durable yet are going to put or delete. */
export interface UnderWay {
  /** By `keyName`. */
  readonly keys: ReadonlySet<string>;
  readonly requests: ReadonlySet<string>;
}

/** Asked in the very moment of a decision. Undefined while the partition is being replaced as a whole. */
export type AskUnderWay = () => UnderWay | undefined;

export class Leftovers {
  /** As of the newest write that was enqueued. */
  private clearedThrough: Seq = 0;
  private isClearPending = false;
  /** Log rows at or below the base may be left once the base is here; undefined: there are none. 0: not known. */
  private trimmedThrough: Seq | undefined = 0;
  /** Rows before this one are gone. */
  private requestsFrom: Buffer | undefined;
  /** While the data ends with this entry no request is old enough: only writes make others older. */
  private requestsSweptAt: Seq | undefined;

  constructor(
    private readonly storage: Storage,
    private readonly partition: number,
  ) {
    const state = this.stateOnDisk();
    if (state === undefined) return;
    this.clearedThrough = state.clearedThrough;
    this.isClearPending = state.clearPending;
  }

  get clearPending(): boolean {
    return this.isClearPending;
  }

  /** A write is enqueued. */
  note(write: DurableWrite): void {
    switch (write.type) {
      case 'trim':
        if (write.through - write.after > TRIM_ROWS_MAX) this.trimmedThrough = write.through;
        this.noteClear(write.state);
        return;
      case 'apply':
      case 'state':
        this.noteClear(write.state);
        return;
      default:
        return;
    }
  }

  private noteClear({ clearedThrough }: AppliedState): void {
    if (clearedThrough <= this.clearedThrough) return;
    this.clearedThrough = clearedThrough;
    this.isClearPending = true;
  }

  /** Everything of the partition is going to be erased. */
  forget(): void {
    this.clearedThrough = 0;
    this.isClearPending = false;
    this.trimmedThrough = undefined;
    this.requestsFrom = undefined;
    this.requestsSweptAt = undefined;
  }

  /**
   * One bounded step on log and requests. Resolves with true when there may be more to do.
   * @throws as Storage.page and Storage.write
   */
  async sweepOld(underWay: AskUnderWay): Promise<boolean> {
    const moreTrimmed = await this.sweepTrimmed(underWay);
    const moreRequests = await this.sweepRequests(underWay);
    return moreTrimmed || moreRequests;
  }

  /**
   * Removes the records that a clear has hidden, in bounded steps. After each, `pause` is awaited, and the sweep given
   * up when it answers false, to be begun again. Does nothing when nothing is left, or a clear is not durable yet.
   * @throws as Storage.page and Storage.write
   */
  async sweepCleared(underWay: AskUnderWay, pause: () => Promise<boolean>): Promise<void> {
    const { clearedThrough } = this;
    // Only when the clear is durable is all there is to remove on the disk: what came before it is durable, too.
    if (!this.isClearPending || this.stateOnDisk()?.clearedThrough !== clearedThrough) return;
    let range = dataRange(this.partition);
    for (;;) {
      const page = await this.storage.page(range, { limit: SWEEP_ROWS_MAX });
      // It may have been erased or cleared again while the page was read.
      const touched = underWay();
      if (touched === undefined || this.clearedThrough !== clearedThrough) return;
      const ops = this.removalsOfCleared(page, touched.keys, clearedThrough);
      if (ops.length > 0) await this.storage.write(ops);
      const last = page.entries.at(-1)?.key;
      if (page.done || last === undefined) break;
      if (!(await pause())) return;
      range = { gte: next(last), lt: range.lt };
    }
    // The next state row says so. Until there is one, a restart goes through the rows once more.
    if (this.clearedThrough === clearedThrough) this.isClearPending = false;
  }

  private async sweepTrimmed(underWay: AskUnderWay): Promise<boolean> {
    const { trimmedThrough } = this;
    const base = baseOf(this.stateOnDisk());
    if (trimmedThrough === undefined || base === undefined || base < trimmedThrough) return false;
    const page = await this.storage.page(logRange(this.partition, 0, base), { limit: SWEEP_ROWS_MAX });
    // Erased while the page was read, it may by now have a log that begins anew, and lower.
    const baseNow = underWay() === undefined ? undefined : baseOf(this.stateOnDisk());
    if (baseNow === undefined || baseNow < base) return false;
    if (page.done && this.trimmedThrough === trimmedThrough) this.trimmedThrough = undefined;
    if (page.entries.length > 0)
      await this.storage.write(page.entries.map(({ key }) => ({ type: 'del', key })));
    return !page.done;
  }

  /** Older than REQUEST_TTL_MS by the partition's own clock, or further back than REQUEST_ENTRIES_MAX entries. */
  private async sweepRequests(underWay: AskUnderWay): Promise<boolean> {
    const before = this.stateOnDisk()?.applied;
    if (before !== undefined && before === this.requestsSweptAt) return false;
    const all = requestAgeRange(this.partition);
    const from = this.requestsFrom;
    const range: KeyRange = { gte: from ?? all.gte, lt: all.lt };
    const page = await this.storage.page(range, { limit: SWEEP_ROWS_MAX });
    const touched = underWay();
    const state = this.stateOnDisk();
    if (touched === undefined || state === undefined || this.requestsFrom !== from) return false;
    const ops: WriteOp[] = [];
    let last: Buffer | undefined;
    for (const { key } of page.entries) {
      const { timestampMs, seq, requestId } = parseRequestAgeKey(key);
      const isYoung =
        timestampMs > state.lastTimestampMs - REQUEST_TTL_MS && seq > state.applied - REQUEST_ENTRIES_MAX;
      // Oldest first: behind one that is young enough, all are.
      if (isYoung) break;
      last = key;
      ops.push({ type: 'del', key });
      const result = requestKey(this.partition, requestId);
      if (!touched.requests.has(requestId) && this.isResultOf(seq, result))
        ops.push({ type: 'del', key: result });
    }
    if (last === undefined) {
      // Rows that came while the page was read may not be in it.
      if (state.applied === before) this.requestsSweptAt = before;
      return false;
    }
    this.requestsFrom = next(last);
    await this.storage.write(ops);
    return !page.done && page.entries.at(-1)?.key === last;
  }

  /**
   * Whether the row is about that entry: an id may have been used again since. A damaged row counts as such, or it
   * would be in the way of its request for ever.
   */
  private isResultOf(seq: Seq, key: Buffer): boolean {
    const bytes = this.storage.getSync(key);
    if (bytes === undefined) return false;
    try {
      return decodeFinished(key, bytes).seq <= seq;
    } catch (error) {
      if (isDamage(error)) return true;
      throw error;
    }
  }

  private removalsOfCleared(page: Page, touched: ReadonlySet<string>, clearedThrough: Seq): WriteOp[] {
    const ops: WriteOp[] = [];
    for (const { key: row, value } of page.entries) {
      const key = keyOfData(row);
      if (touched.has(nameOf(key)) || hiddenBy(clearedThrough, key, value) === undefined) continue;
      // The page is older than this moment.
      const hidden = hiddenBy(clearedThrough, key, this.storage.getSync(row));
      if (hidden === undefined) continue;
      ops.push({ type: 'del', key: row });
      const { expireAtMs } = hidden;
      if (expireAtMs !== 0) ops.push({ type: 'del', key: expiryKey(this.partition, expireAtMs, key) });
    }
    return ops;
  }

  /** Row 02, or undefined where there is nothing to go by: it is absent (the replica is being replaced) or damaged. */
  private stateOnDisk(): PartitionState | undefined {
    const bytes = this.storage.getSync(stateKey(this.partition));
    if (bytes === undefined) return undefined;
    try {
      return decodeState(bytes);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }
}

function baseOf(state: PartitionState | undefined): Seq | undefined {
  return state?.log.base;
}

/** The record, if a clear has hidden it. Of a damaged one that is not known; it stays until it is written or deleted. */
function hiddenBy(
  clearedThrough: Seq,
  key: Buffer,
  bytes: Buffer | undefined,
): { readonly expireAtMs: number } | undefined {
  if (bytes === undefined) return undefined;
  try {
    const record = decodeRecord(key, bytes);
    return record.version <= clearedThrough ? record : undefined;
  } catch (error) {
    if (isStoreError(error, 'record-corrupt')) return undefined;
    throw error;
  }
}

/** The first key behind `key`. */
function next(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)]);
}
