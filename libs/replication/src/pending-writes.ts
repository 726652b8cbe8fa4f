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
import { keyName } from './entry.js';
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

export interface Waiter {
  readonly client: Client;
  readonly repeated: boolean;
}

export class PendingWrites {
  private readonly prepared = new Map<string, PendingRecord>();
  private readonly overlay = new Map<string, PendingRecord>();
  private readonly requests = new Map<RequestId, PendingRequest>();
  private readonly waiters = new Map<Seq, Waiter[]>();
  /** The newest clear that is prepared; readers go by the committed one. */
  preparedClear: Seq = 0;

  newest(name: string): PendingRecord | undefined {
    return this.prepared.get(name) ?? this.overlay.get(name);
  }

  committed(name: string): PendingRecord | undefined {
    return this.overlay.get(name);
  }

  request(id: RequestId): PendingRequest | undefined {
    return this.requests.get(id);
  }

  wait(seq: Seq, waiter: Waiter): void {
    const list = this.waiters.get(seq);
    if (list === undefined) this.waiters.set(seq, [waiter]);
    else list.push(waiter);
  }

  takeWaiters(seq: Seq): readonly Waiter[] {
    const list = this.waiters.get(seq);
    if (list === undefined) return [];
    this.waiters.delete(seq);
    return list;
  }

  takeAllWaiters(): readonly Waiter[] {
    const all = [...this.waiters.values()].flat();
    this.waiters.clear();
    return all;
  }

  prepare(entry: Entry): void {
    const { seq, request, result } = entry;
    for (const op of entry.ops) {
      if (op.type === 'clear') this.preparedClear = Math.max(this.preparedClear, op.through);
      else this.prepared.set(keyName(op.key), { seq, record: recordOf(op, seq) });
    }
    if (request !== undefined)
      this.requests.set(request.id, { seq, fingerprint: request.fingerprint, result });
  }

  commit(entry: Entry): void {
    for (const op of entry.ops) {
      if (op.type === 'clear') continue;
      const name = keyName(op.key);
      const pending = this.prepared.get(name);
      if (pending?.seq === entry.seq) this.prepared.delete(name);
      this.overlay.set(name, {
        seq: entry.seq,
        record: pending?.seq === entry.seq ? pending.record : recordOf(op, entry.seq),
      });
    }
  }

  applied(entry: Entry): void {
    for (const op of entry.ops) {
      if (op.type === 'clear') continue;
      const name = keyName(op.key);
      if (this.overlay.get(name)?.seq === entry.seq) this.overlay.delete(name);
      // The cheap path of a sole replica applies without having committed before.
      if (this.prepared.get(name)?.seq === entry.seq) this.prepared.delete(name);
    }
    const { request } = entry;
    if (request !== undefined && this.requests.get(request.id)?.seq === entry.seq)
      this.requests.delete(request.id);
  }

  /** REQUIRES: no waiter is left. */
  reset(): void {
    this.prepared.clear();
    this.overlay.clear();
    this.requests.clear();
    this.preparedClear = 0;
  }
}

function recordOf(op: Exclude<Op, { type: 'clear' }>, seq: Seq): StoredRecord | undefined {
  if (op.type === 'del') return undefined;
  return { version: seq, expireAtMs: op.expireAtMs, contentType: op.contentType, payload: op.payload };
}
