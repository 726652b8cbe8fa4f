/**
 * What an operation does to the state it finds: log operations, the counts after them, and the result. A pure function
 * of the newest sequenced state, so that deciding and taking a sequence number can be one step.
 *
 * Nothing that is found is changed in place: buffers of the view end up in results and operations, never altered.
 */
import { unreachable } from '@diststore/base';
import type { Counts, Op } from '@diststore/replication';

import { allHold } from './conditions.js';
import { decideCopy, decideDelete, decideGet, decidePut, decideSetExpiry } from './decide-records.js';
import {
  decideAdd,
  decideAddDecimal,
  decideAppend,
  decideBitField,
  decideBitOperation,
  decideSetBit,
  decideSetRange,
} from './decide-values.js';
import { live, SingleDraft, TransactionDraft } from './draft.js';
import type { DecisionView, Draft, Drafted } from './draft.js';
import { operationBytesMax } from './limits.js';
import type { DataLimits } from './limits.js';
import type { ReadOperation, SingleWrite, Transaction, WriteOperation } from './operation.js';
import { payloadBytesOf } from './result-size.js';
import type { Result } from './result.js';

export interface Decision {
  /** None: there is nothing to write, and the result is an answer to a read. At most one for each key. */
  readonly ops: readonly Op[];
  /** Of the partition afterwards. */
  readonly counts: Counts;
  readonly result: Result;
}

/**
 * Decides `operation` against `view`. May be asked again with another view; it keeps nothing.
 * REQUIRES: `checkOperation` has passed.
 * @throws StoreError record-corrupt: it needs a record that is damaged. Nothing has happened.
 */
export function decide(operation: WriteOperation, view: DecisionView, limits: DataLimits): Decision {
  switch (operation.type) {
    case 'clear':
      return decideClear(view);
    case 'transaction':
      return decideTransaction(operation, view, limits);
    default: {
      const draft = new SingleDraft(view);
      const result = decideSingle(operation, draft, limits);
      const { ops, counts } = draft.finish();
      return { ops, counts, result };
    }
  }
}

function decideSingle(operation: ReadOperation | SingleWrite, draft: Draft, limits: DataLimits): Result {
  switch (operation.type) {
    case 'get':
      return decideGet(operation, draft);
    case 'put':
      return decidePut(operation, draft);
    case 'delete':
      return decideDelete(operation, draft);
    case 'set-expiry':
      return decideSetExpiry(operation, draft);
    case 'add':
      return decideAdd(operation, draft);
    case 'add-decimal':
      return decideAddDecimal(operation, draft);
    case 'append':
      return decideAppend(operation, draft, limits);
    case 'set-range':
      return decideSetRange(operation, draft, limits);
    case 'set-bit':
      return decideSetBit(operation, draft, limits);
    case 'bit-field':
      return decideBitField(operation, draft, limits);
    case 'bit-operation':
      return decideBitOperation(operation, draft);
    case 'copy':
      return decideCopy(operation, draft);
    default:
      return unreachable(operation);
  }
}

/** One small write, whatever the number of keys: it marks all versions up to its own as deleted. */
function decideClear({ seq, counts }: DecisionView): Decision {
  return {
    ops: [{ type: 'clear', through: seq }],
    counts: { keys: 0, bytes: 0 },
    result: { type: 'cleared', version: seq, removed: counts.keys },
  };
}

function decideTransaction(operation: Transaction, view: DecisionView, limits: DataLimits): Decision {
  const { compare, then, otherwise, continueOnFailure } = operation;
  const bytesMax = operationBytesMax(limits);
  const draft = new TransactionDraft(view);
  const held = compare.every(({ key, conditions }) => allHold(conditions, live(draft.find(key), view.clockMs)));
  const results: Result[] = [];
  let answerBytes = 0;
  for (const [index, step] of (held ? then : otherwise).entries()) {
    const result = decideSingle(step, draft, limits);
    if (result.type === 'failed' && !continueOnFailure)
      return undone(view, { type: 'failed', reason: result.reason, operation: index });
    results.push(result);
    answerBytes += payloadBytesOf(result);
    if (answerBytes > bytesMax) return undone(view, { type: 'failed', reason: 'too-large' });
  }
  const { ops, counts } = draft.finish();
  if (bytesOf(ops) > bytesMax) return undone(view, { type: 'failed', reason: 'too-large' });
  const version = ops.length === 0 ? 0 : view.seq;
  return { ops, counts, result: { type: 'transaction', held, version, results } };
}

function undone({ counts }: DecisionView, result: Result): Decision {
  return { ops: [], counts, result };
}

function bytesOf(ops: Drafted['ops']): number {
  let bytes = 0;
  for (const op of ops) if (op.type === 'put') bytes += op.key.length + op.payload.length;
  return bytes;
}

/**
 * How many bytes the disk must have room for before this is written. 0 for what adds no data: deletes, other expiries,
 * and whatever writes nothing go on when the disk is full.
 */
export function storageNeed(operation: WriteOperation, { ops }: Decision): number {
  return addsData(operation) ? bytesOf(ops) : 0;
}

function addsData(operation: WriteOperation | ReadOperation): boolean {
  switch (operation.type) {
    case 'get':
    case 'delete':
    case 'clear':
    case 'set-expiry':
      return false;
    case 'transaction':
      return operation.then.some(addsData) || operation.otherwise.some(addsData);
    default:
      return true;
  }
}
