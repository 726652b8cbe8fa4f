/**
 * `POST /v1/batch`: many operations on any keys, one result for each, in order. Not atomic as a whole: what one
 * operation ends with says nothing of the others.
 *
 * Operations on one partition happen in the order in which they stand; partitions work in parallel. Neighbouring
 * writes of one partition travel as one transaction, so that they cost one log entry and one fsync. Reads go singly:
 * a value is as large as it is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { StoreError } from '@diststore/base';
import { checkKey, TRANSACTION_OPERATIONS_MAX } from '@diststore/data';
import type { ReadOperation, Result, WriteOperation } from '@diststore/data';
import { Reply } from '@diststore/http';

import type { MapFollower } from '../../cluster/map-follower.js';
import type { Keyspace } from '../../data/keyspace.js';
import type { BodyBudget } from '../body-budget.js';
import { idempotencyKeyOf, requestOf } from '../headers/idempotency-key.js';
import { withBody } from '../value-body.js';
import { badField, JsonObject, parseJson } from './json-reader.js';
import {
  errorJson,
  type KeyOperation,
  operationFrom,
  type ResultJson,
  resultJson,
} from './operation-json.js';

/** Past it: 400. A batch is one answer, made in memory. */
export const BATCH_OPERATIONS_MAX = 1000;
/** Past it: 413. Parsing this much takes some 30 ms, in which nothing else is done. Larger values have PUT. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** What the values in one answer come to: past it, a `get` has status 413. */
export const BATCH_ANSWER_BYTES_MAX = 32 * 1024 * 1024;

type WriteStep = Exclude<KeyOperation, ReadOperation>;

interface Numbered<Step extends KeyOperation = KeyOperation> {
  /** Its place in the batch. */
  readonly index: number;
  readonly operation: Step;
}

export class Batch {
  constructor(
    private readonly keyspace: Keyspace,
    private readonly budget: BodyBudget,
    private readonly follower: Pick<MapFollower, 'required'>,
  ) {}

  /**
   * @throws StoreError bad-request, value-too-large, too-many-requests, retry-later: nothing was done; outcome-unknown:
   *   it was done, and the answer cannot be given.
   */
  async run(request: IncomingMessage, response: ServerResponse): Promise<Reply> {
    const idempotencyKey = idempotencyKeyOf(request.headers);
    return withBody(
      request,
      this.budget,
      { maxBytes: BATCH_BYTES_MAX, setting: 'BATCH_BYTES_MAX' },
      async (body) => {
        const operations = operationsFrom(body);
        return { operations, results: await this.perform(operations, idempotencyKey) };
      },
      ({ operations, results }) => {
        const reply = Reply.json(200, { atomic: false, results });
        this.budget.takeForAnswer(
          reply,
          response,
          operations.some(({ type }) => type !== 'get'),
        );
        return reply;
      },
    );
  }

  private async perform(
    operations: readonly KeyOperation[],
    idempotencyKey: string | undefined,
  ): Promise<ResultJson[]> {
    const results: ResultJson[] = new Array<ResultJson>(operations.length);
    const byPartition = new Map<number, Numbered[]>();
    for (const [index, operation] of operations.entries()) {
      try {
        checkKey(operation.key);
      } catch (error) {
        results[index] = errorJson(operation.key, error);
        continue;
      }
      const partition = this.keyspace.partitionOf(operation.key);
      const there = byPartition.get(partition);
      if (there === undefined) byPartition.set(partition, [{ index, operation }]);
      else there.push({ index, operation });
    }
    const answer = { bytesLeft: BATCH_ANSWER_BYTES_MAX };
    const inOrder = async (steps: readonly Numbered[]): Promise<void> => {
      for (const run of runsOf(steps)) {
        if (run.type === 'reads') await this.read(run.steps, results, answer);
        else await this.write(run.steps, results, idempotencyKey);
      }
    };
    await Promise.all([...byPartition.values()].map(inOrder));
    return results;
  }

  private async read(
    steps: readonly Numbered<ReadOperation>[],
    results: ResultJson[],
    answer: { bytesLeft: number },
  ): Promise<void> {
    for (const { index, operation } of steps) {
      try {
        const { record } = await this.keyspace.get(operation.key);
        answer.bytesLeft -= record?.payload.length ?? 0;
        if (answer.bytesLeft < 0) throw answerTooLarge();
        results[index] = resultJson(operation, { type: 'value', record });
      } catch (error) {
        results[index] = errorJson(operation.key, error);
      }
    }
  }

  private async write(
    steps: readonly Numbered<WriteStep>[],
    results: ResultJson[],
    idempotencyKey: string | undefined,
  ): Promise<void> {
    const operation = asOne(steps.map(({ operation }) => operation));
    const [first] = steps;
    try {
      const request =
        idempotencyKey === undefined || first === undefined
          ? undefined
          : requestOf(
              idempotencyKey,
              this.follower.required().settings.clusterId,
              operation,
              1 + first.index,
            );
      const { result, repeated } = await this.keyspace.perform(operation, request);
      for (const [i, { index, operation }] of steps.entries()) {
        const each = resultOf(result, i);
        const json = each === undefined ? { status: 200 } : resultJson(operation, each);
        results[index] = repeated ? { ...json, repeated } : json;
      }
    } catch (error) {
      for (const { index, operation } of steps) results[index] = errorJson(operation.key, error);
    }
  }
}

function operationsFrom(body: Buffer): KeyOperation[] {
  const batch = new JsonObject(parseJson(body, 'The body'), 'The body', ['operations']);
  const list = batch.list('operations');
  if (list === undefined) throw badField('The body', 'has no list of operations');
  if (list.length > BATCH_OPERATIONS_MAX) {
    throw badField(
      'operations',
      `has ${list.length} operations, ${BATCH_OPERATIONS_MAX} are the most (BATCH_OPERATIONS_MAX)`,
    );
  }
  return list.map((value, i) => operationFrom(value, `operations[${i}]`));
}

type Run =
  | { readonly type: 'reads'; readonly steps: Numbered<ReadOperation>[] }
  | { readonly type: 'writes'; readonly steps: Numbered<WriteStep>[] };

/** The steps of one partition, cut where reading turns to writing and back. */
function runsOf(steps: readonly Numbered[]): Run[] {
  const runs: Run[] = [];
  for (const { index, operation } of steps) {
    const last = runs.at(-1);
    if (operation.type === 'get') {
      if (last?.type === 'reads') last.steps.push({ index, operation });
      else runs.push({ type: 'reads', steps: [{ index, operation }] });
    } else if (last?.type === 'writes' && last.steps.length < TRANSACTION_OPERATIONS_MAX) {
      last.steps.push({ index, operation });
    } else {
      runs.push({ type: 'writes', steps: [{ index, operation }] });
    }
  }
  return runs;
}

/** One operation that does all of `steps`, each as if it were alone. REQUIRES: at least one, and all of one partition. */
export function asOne(steps: readonly WriteStep[]): WriteOperation {
  const [first] = steps;
  if (steps.length === 1 && first !== undefined) return first;
  return { type: 'transaction', compare: [], then: steps, otherwise: [], continueOnFailure: true };
}

/** What became of step `i` of `asOne`. Undefined: it happened, and its receipt is no longer known. */
export function resultOf(result: Result, i: number): Result | undefined {
  return result.type === 'transaction' ? result.results[i] : result;
}

function answerTooLarge(): StoreError {
  const detail = `All values of one answer are at most ${BATCH_ANSWER_BYTES_MAX} bytes. Read this one by itself.`;
  return new StoreError('value-too-large', detail, { facts: { limitBytes: BATCH_ANSWER_BYTES_MAX } });
}
