/**
 * `POST /v1/txn`: compare and act, atomically. When every comparison holds, the operations of `then` happen, otherwise
 * those of `else`: all of a branch, or, when one of them cannot be done, nothing.
 *
 * All keys lie in one slot, as keys with a common hash tag do, so that what works today works with any number of
 * partitions.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { StoreError } from '@diststore/base';
import { slotOf } from '@diststore/cluster';
import { keysOf, TRANSACTION_OPERATIONS_MAX } from '@diststore/data';
import type { Condition, FailureReason, Result, Transaction } from '@diststore/data';
import { Reply } from '@diststore/http';

import type { MapFollower } from '../../cluster/map-follower.js';
import type { Done, Keyspace } from '../../data/keyspace.js';
import type { BodyBudget } from '../body-budget.js';
import { idempotencyKeyOf, requestOf } from '../headers/idempotency-key.js';
import { REFUSALS, refusal, refusalReply } from '../refusals.js';
import { withBody } from '../value-body.js';
import { badField, JsonObject, parseJson } from './json-reader.js';
import { conditionsFrom, type KeyOperation, operationFrom, resultJson } from './operation-json.js';

/** As for a batch: past it 413. */
export const TRANSACTION_BYTES_MAX = 8 * 1024 * 1024;

const COMPARISON = ['key', 'key64', 'value', 'value64', 'ifMatch', 'ifNoneMatch'];

export class Transactions {
  constructor(
    private readonly keyspace: Keyspace,
    private readonly budget: BodyBudget,
    private readonly follower: Pick<MapFollower, 'required'>,
  ) {}

  /** @throws StoreError bad-request, cross-slot, request-id-reused, and as Keyspace.perform */
  async run(request: IncomingMessage, response: ServerResponse): Promise<Reply> {
    const idempotencyKey = idempotencyKeyOf(request.headers);
    const bound = { maxBytes: TRANSACTION_BYTES_MAX, setting: 'TRANSACTION_BYTES_MAX' };
    return withBody(
      request,
      this.budget,
      bound,
      async (body) => {
        const transaction = transactionFrom(body);
        const { clusterId, placement } = this.follower.required().settings;
        if (placement === 'hashed') checkOneSlot(transaction);
        const id =
          idempotencyKey === undefined ? undefined : requestOf(idempotencyKey, clusterId, transaction);
        return { transaction, done: await this.keyspace.perform(transaction, id) };
      },
      ({ transaction, done }) => {
        const reply = replyOf(transaction, done);
        this.budget.takeForAnswer(reply, response, hasWritten(done));
        return reply;
      },
    );
  }
}

function transactionFrom(body: Buffer): Transaction {
  const fields = new JsonObject(parseJson(body, 'The body'), 'The body', ['compare', 'then', 'else']);
  const [compare, then, otherwise] = ['compare', 'then', 'else'].map((name) => fields.list(name) ?? []) as [
    readonly unknown[],
    readonly unknown[],
    readonly unknown[],
  ];
  const count = compare.length + then.length + otherwise.length;
  if (count === 0) throw badField('The body', 'compares nothing and does nothing');
  if (count > TRANSACTION_OPERATIONS_MAX) {
    throw badField(
      'The body',
      `has ${count} comparisons and operations, ${TRANSACTION_OPERATIONS_MAX} are the most (TRANSACTION_OPERATIONS_MAX)`,
    );
  }
  return {
    type: 'transaction',
    compare: compare.map((value, i) => comparisonFrom(value, `compare[${i}]`)),
    then: then.map((value, i) => operationFrom(value, `then[${i}]`)),
    otherwise: otherwise.map((value, i) => operationFrom(value, `else[${i}]`)),
    continueOnFailure: false,
  };
}

function comparisonFrom(value: unknown, where: string): Transaction['compare'][number] {
  const fields = new JsonObject(value, where, COMPARISON);
  const equals = fields.bytes('value');
  const conditions: Condition[] = [
    ...conditionsFrom(fields),
    ...(equals === undefined ? [] : [{ type: 'value', equals } as const]),
  ];
  if (conditions.length === 0) throw badField(where, 'compares nothing: give ifMatch, ifNoneMatch or value');
  return { key: fields.requiredBytes('key'), conditions };
}

function checkOneSlot(transaction: Transaction): void {
  const slots = new Set(keysOf(transaction).map((key) => slotOf(key)));
  if (slots.size <= 1) return;
  const detail = `The keys lie in ${slots.size} slots. Those of a transaction share one: {tag}a and {tag}b do.`;
  throw new StoreError('cross-slot', detail, { facts: { slots: slots.size } });
}

function hasWritten({ result }: Done): boolean {
  return result.type === 'transaction' && result.version !== 0;
}

function replyOf(transaction: Transaction, { result, repeated, partition, replicas }: Done): Reply {
  const headers: (string | number)[] = [
    ...['DistStore-Partition', partition, 'DistStore-Replicas', replicas.join(',')],
    ...(repeated ? ['DistStore-Repeated', 'true'] : []),
  ];
  if (result.type === 'failed') return failureReply(result.reason, result.operation);
  if (result.type !== 'transaction')
    throw new StoreError('internal', `A transaction ended as ${result.type}.`);
  const { held, version, results } = result;
  const branch = (held ? transaction.then : transaction.otherwise) as readonly KeyOperation[];
  const members = {
    held,
    version: version === 0 ? null : version,
    results: results.map((each: Result, i) => {
      const operation = branch[i];
      if (operation === undefined)
        throw new StoreError('internal', 'A transaction has more results than operations.');
      return resultJson(operation, each);
    }),
    partition,
    replicas,
  };
  if (version !== 0) headers.push('DistStore-Version', version);
  return Reply.json(200, members, headers);
}

/** @throws StoreError value-too-large */
function failureReply(reason: FailureReason, operation: number | undefined): Reply {
  const which = operation === undefined ? 'The transaction' : `Operation ${operation} of the branch`;
  if (reason === 'too-large') {
    throw new StoreError('value-too-large', `${which} would write or answer too much; nothing was changed.`, {
      facts: { operation },
    });
  }
  return refusalReply(
    refusal(reason, `${which} could not be done, so nothing was changed. ${REFUSALS[reason].title}`),
  );
}
