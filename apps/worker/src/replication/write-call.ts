/** One operation of a client on its way through a replica: read for, decided, perhaps again, and answered. */
import type { StoreError } from '@diststore/base';
import { isStoreError } from '@diststore/base';
import { bufferOf, decide, decodeResult, keysOf, receiptOf, storageNeed } from '@diststore/data';
import type { DataLimits, Decision, DecisionView, Result, Row, WriteOperation } from '@diststore/data';
import type { Decided, Reads, Reply, Request, Seq, WriteView } from '@diststore/replication';
import type { FreeSpace } from '@diststore/storage';

import type { Performed } from '../data/partition.js';
import { errorOfRefusal, outcomeUnknown } from './outcomes.js';
import type { WriteCall } from './replica-driver.js';
import { ReadFailure } from './seat.js';
import type { Seat } from './seat.js';
import { nameOf, NONE_DAMAGED } from './store/replica-reads.js';
import type { FoundForWrite } from './store/replica-reads.js';

export interface WriteLimits extends DataLimits {
  /** Asked before data is added. */
  readonly freeSpace?: Pick<FreeSpace, 'take'> | undefined;
}

const NOTHING = new Uint8Array(0);

export class ClientWrite implements WriteCall {
  startedMs?: number;
  private readonly keys: readonly Buffer[];
  private damaged: FoundForWrite['damaged'] = NONE_DAMAGED;
  /** Of the last decision: a Result, or why there is none. */
  private result: Result | undefined;
  private failure: unknown;

  constructor(
    readonly seat: Seat,
    private readonly operation: WriteOperation,
    readonly request: Request | undefined,
    private readonly limits: WriteLimits,
    private readonly resolve: (performed: Performed) => void,
    private readonly reject: (error: unknown) => void,
  ) {
    this.keys = keysOf(operation);
  }

  read(appliedSeq: Seq): Reads {
    const { reads, damaged } = this.seat.readForWrite({
      appliedSeq,
      keys: this.keys,
      requestId: this.request?.id,
    });
    this.damaged = damaged;
    return reads;
  }

  readonly command = (view: WriteView): Decided => {
    this.failure = undefined;
    try {
      const decision = decide(
        this.operation,
        this.damaged.size === 0 ? view : withDamage(view, this.damaged),
        this.limits,
      );
      this.result = decision.result;
      if (decision.ops.length === 0) return { type: 'answer', result: NOTHING };
      this.takeSpace(decision);
      const { ops, counts, result } = decision;
      return { type: 'write', ops, counts, result: this.request === undefined ? NOTHING : receiptOf(result) };
    } catch (error) {
      if (error instanceof ReadFailure) this.failure = error.cause;
      else if (isStoreError(error)) this.failure = error;
      else throw error;
      // As any answer it rests on what was found, so it waits until that is committed.
      return { type: 'answer', result: NOTHING };
    }
  };

  done(reply: Exclude<Reply, { type: 'needRead' }>): void {
    const { result, failure } = this;
    switch (reply.type) {
      case 'ok': {
        const kept = reply.repeated ? decodeResult(bufferOf(reply.result)) : result;
        if (kept === undefined)
          this.reject(outcomeUnknown(this.seat.partition, 'what was kept of it cannot be read'));
        else this.resolve({ result: kept, repeated: reply.repeated });
        return;
      }
      case 'answer':
        if (failure !== undefined) this.reject(failure);
        else if (result !== undefined) this.resolve({ result, repeated: false });
        return;
      default:
        this.reject(errorOfRefusal(this.seat.partition, reply));
    }
  }

  lost(): void {
    this.reject(outcomeUnknown(this.seat.partition, 'its replica stopped'));
  }

  /** @throws StoreError disk-full */
  private takeSpace(decision: Decision): void {
    const { freeSpace } = this.limits;
    if (freeSpace === undefined) return;
    const need = storageNeed(this.operation, decision);
    if (need > 0) freeSpace.take(need);
  }
}

/** Rows that fail their checksum, together with why: what an operation needs of them fails with that. */
function withDamage(view: WriteView, damaged: ReadonlyMap<string, StoreError>): DecisionView {
  const { seq, clockMs, counts } = view;
  return {
    seq,
    clockMs,
    counts,
    get(key: Uint8Array): Row | undefined {
      const row = view.get(key);
      // A newer one may be on its way to take its place.
      return row?.version === Number.MAX_SAFE_INTEGER
        ? { ...row, damaged: damaged.get(nameOf(bufferOf(key))) }
        : row;
    },
  };
}
