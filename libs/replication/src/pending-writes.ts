/**
 * What a primary has decided but its data does not show yet.
 *
 *     sequenced ──► prepared ──► (committed) overlay ──► applied: gone from here
 *                      │               │
 *      conditions look here first   readers look here first
 *
 * Prepared records are what the next condition must see (two clients must not both believe that they created a key),
 * and what no reader may see. The overlay holds records that are committed, and so may be read, until the batch that
 * writes them into the data is durable.
 *
 * Requests stay here from sequencing to applying, when their row in the duplicate table is durable. So a request id is
 * found either here or there.
 */
import type { Chain } from './chain.js';
import { namesOf } from './entry.js';
import type { Entry, Op, RequestId, Seq } from './entry.js';
import type { Client, StoredRecord } from './replica-event.js';

export interface PendingRecord {
  readonly seq: Seq;
  /** Undefined: deleted. */
  readonly record: StoredRecord | undefined;
}

export interface PendingRequest {
  readonly seq: Seq;
  readonly fingerprint: Chain;
  readonly result: Uint8Array;
}

interface Waiter {
  readonly seq: Seq;
  readonly client: Client;
  readonly repeated: boolean;
}

/** What is pending of one key. */
export interface PendingKey {
  readonly prepared: PendingRecord | undefined;
  /** What readers see. */
  readonly committed: PendingRecord | undefined;
}

/**
 * One place for both, which is emptied when neither is left. V8 chains the tables of a map that is filled and emptied
 * all the time, and so keeps what was in it from the collector: let that be nothing.
 */
interface Place extends PendingKey {
  prepared: PendingRecord | undefined;
  committed: PendingRecord | undefined;
}

/** Waiters that were taken are dropped from the list when there are so many of them. */
const TAKEN_MAX = 256;

const NOBODY: readonly Waiter[] = [];

export class PendingWrites {
  private readonly keys = new Map<string, Place>();
  private readonly requests = new Map<RequestId, PendingRequest>();
  /** By `seq`; those before `taken` are gone. */
  private waiters: Waiter[] = [];
  private taken = 0;
  /** The newest clear that is prepared; readers go by the committed one. */
  preparedClear: Seq = 0;

  newest(name: string): PendingRecord | undefined {
    const pending = this.keys.get(name);
    return pending?.prepared ?? pending?.committed;
  }

  of(name: string): PendingKey | undefined {
    return this.keys.get(name);
  }

  request(id: RequestId): PendingRequest | undefined {
    return this.requests.get(id);
  }

  wait(seq: Seq, client: Client, repeated: boolean): void {
    const { waiters } = this;
    let at = waiters.length;
    // Behind the newest, but for somebody who asks again for what is under way.
    while (at > this.taken && (waiters[at - 1]?.seq ?? 0) > seq) at -= 1;
    if (at === waiters.length) waiters.push({ seq, client, repeated });
    else waiters.splice(at, 0, { seq, client, repeated });
  }

  /** Those that wait for `seq`. REQUIRES: entries in their order; nobody waits for an earlier one any more. */
  takeWaiters(seq: Seq): readonly Waiter[] {
    const from = this.taken;
    while (this.waiters[this.taken]?.seq === seq) this.taken += 1;
    if (this.taken === from) return NOBODY;
    const found = this.waiters.slice(from, this.taken);
    if (this.taken === this.waiters.length || this.taken >= TAKEN_MAX) {
      this.waiters = this.waiters.slice(this.taken);
      this.taken = 0;
    }
    return found;
  }

  takeAllWaiters(): readonly Waiter[] {
    const all = this.waiters.slice(this.taken);
    this.waiters = [];
    this.taken = 0;
    return all;
  }

  prepare(entry: Entry): void {
    const { seq, ops, request, result } = entry;
    const names = namesOf(entry);
    for (let i = 0; i < ops.length; i += 1) {
      const op = ops[i] as Op;
      if (op.type === 'clear') this.preparedClear = Math.max(this.preparedClear, op.through);
      else this.place(names[i] as string).prepared = { seq, record: recordOf(op, seq) };
    }
    if (request !== undefined)
      this.requests.set(request.id, { seq, fingerprint: request.fingerprint, result });
  }

  commit(entry: Entry): void {
    const { seq, ops } = entry;
    const names = namesOf(entry);
    for (let i = 0; i < ops.length; i += 1) {
      const op = ops[i] as Op;
      if (op.type === 'clear') continue;
      const pending = this.place(names[i] as string);
      if (pending.prepared?.seq === seq) {
        pending.committed = pending.prepared;
        pending.prepared = undefined;
      } else {
        pending.committed = { seq, record: recordOf(op, seq) };
      }
    }
  }

  applied(entry: Entry): void {
    const { seq, ops, request } = entry;
    // A secondary has nothing here.
    if (this.keys.size > 0) {
      const names = namesOf(entry);
      for (let i = 0; i < ops.length; i += 1)
        if (ops[i]?.type !== 'clear') this.appliedKey(names[i] as string, seq);
    }
    if (request !== undefined && this.requests.get(request.id)?.seq === seq) this.requests.delete(request.id);
  }

  private appliedKey(name: string, seq: Seq): void {
    const pending = this.keys.get(name);
    if (pending === undefined) return;
    if (pending.committed?.seq === seq) pending.committed = undefined;
    // The cheap path of a sole replica applies without having committed before.
    if (pending.prepared?.seq === seq) pending.prepared = undefined;
    if (pending.committed === undefined && pending.prepared === undefined) this.keys.delete(name);
  }

  /** REQUIRES: no waiter is left. */
  reset(): void {
    this.keys.clear();
    this.requests.clear();
    this.preparedClear = 0;
  }

  private place(name: string): Place {
    let place = this.keys.get(name);
    if (place === undefined) {
      place = { prepared: undefined, committed: undefined };
      this.keys.set(name, place);
    }
    return place;
  }
}

function recordOf(op: Exclude<Op, { type: 'clear' }>, seq: Seq): StoredRecord | undefined {
  if (op.type === 'del') return undefined;
  return { version: seq, expireAtMs: op.expireAtMs, contentType: op.contentType, payload: op.payload };
}
