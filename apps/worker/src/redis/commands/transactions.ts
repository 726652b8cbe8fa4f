/**
 * MULTI, EXEC and WATCH. What is queued becomes one transaction of the partition: it is one log entry, and the
 * versions seen at WATCH are compared in the same step. So all keys, watched ones included, lie in one slot.
 *
 * A command that touches no key is run at EXEC, when the transaction is done, and its reply takes its place.
 *
 * Source: https://redis.io/docs/latest/develop/interact/transactions/
 */
import {
  TRANSACTION_OPERATIONS_MAX,
  type ReadOperation,
  type Result,
  type SingleWrite,
} from '@diststore/data';
import {
  DISCARD_WITHOUT_MULTI_ERROR,
  type ErrorReply,
  EXEC_ABORT_ERROR,
  EXEC_WITHOUT_MULTI_ERROR,
  keysOf,
  NESTED_MULTI_ERROR,
  type ReplyEncoder,
  WATCH_INSIDE_MULTI_ERROR,
} from '@diststore/redis';

import { errorReplyOf, failureReply } from '../error-replies.js';
import type { BoundCommand, Arguments, Connection, Context, Implementations } from '../implementation.js';
import { WATCHED_KEYS_MAX } from '../redis-limits.js';
import type { QueuedCommand as Queued } from '../transaction-state.js';
import { unexpectedResult } from '../unexpected-result.js';

type QueuedCommand = Queued<BoundCommand>;
type Step = ReadOperation | SingleWrite;

/** A queued command, ready: the operations that it adds, or the error that is its reply. */
interface Planned {
  readonly queued: QueuedCommand;
  readonly steps: readonly Step[];
  readonly error: ErrorReply | undefined;
}

const NO_STEPS: readonly Step[] = [];

function plan(queued: QueuedCommand, context: Context): Planned {
  const { bound, args } = queued;
  const { implementation, command } = bound;
  const done = (steps: readonly Step[] | ErrorReply): Planned =>
    'kind' in steps ? { queued, steps: NO_STEPS, error: steps } : { queued, steps, error: undefined };
  switch (implementation.kind) {
    case 'read':
    case 'read-many': {
      const refused = implementation.kind === 'read-many' ? implementation.check?.(args) : undefined;
      return done(refused ?? (keysOf(command, args) ?? []).map((key) => ({ type: 'get', key }) as const));
    }
    case 'write': {
      const operation = implementation.operation(args, context);
      return done('kind' in operation ? operation : [operation]);
    }
    case 'write-many':
      return done(implementation.operations(args, context));
    case 'special':
      return done(NO_STEPS);
  }
}

async function exec(connection: Connection, _args: Arguments, out: ReplyEncoder): Promise<void> {
  const { transaction, port } = connection;
  if (!transaction.isOpen) {
    out.error(EXEC_WITHOUT_MULTI_ERROR.text);
    return;
  }
  const { queued, isBroken } = transaction;
  const watched = transaction.watched();
  transaction.reset();
  if (isBroken) {
    out.error(EXEC_ABORT_ERROR.text);
    return;
  }

  const keys = [
    ...watched.map(({ key }) => key),
    ...queued.flatMap(({ bound, args }) => keysOf(bound.command, args) ?? []),
  ];
  const refusal =
    port.crossSlotErrorOf(keys) ?? (keys[0] === undefined ? undefined : port.redirectionOf(keys[0]));
  if (refusal !== undefined) {
    out.error(refusal.text);
    return;
  }

  const planned = queued.map((command) => plan(command, port.context));
  const steps = planned.flatMap((command) => command.steps);
  if (steps.length + watched.length > TRANSACTION_OPERATIONS_MAX) {
    out.error(`ERR a transaction has at most ${TRANSACTION_OPERATIONS_MAX} operations`);
    return;
  }
  let results: readonly Result[] = [];
  if (steps.length + watched.length > 0) {
    const { result, replicas } = await port.keyspace.perform({
      type: 'transaction',
      compare: watched.map(({ key, version }) => ({
        key,
        conditions: [version === 0 ? { type: 'absent' } : { type: 'version', anyOf: [version] }],
      })),
      then: steps,
      otherwise: [],
      continueOnFailure: true,
    });
    if (result.type === 'failed') {
      out.error(failureReply(result.reason).text);
      return;
    }
    if (result.type !== 'transaction') throw unexpectedResult(result);
    if (!result.held) {
      out.nullArray();
      return;
    }
    if (steps.some(({ type }) => type !== 'get')) connection.holdersOfLastWrite = replicas.length;
    results = result.results;
  }
  await replyAll(connection, planned, results, out);
}

async function replyAll(
  connection: Connection,
  planned: readonly Planned[],
  results: readonly Result[],
  out: ReplyEncoder,
): Promise<void> {
  out.arrayHeader(planned.length);
  let at = 0;
  for (const { queued, steps, error } of planned) {
    const own = results.slice(at, at + steps.length);
    at += steps.length;
    if (error !== undefined) out.error(error.text);
    else await replyOne(connection, queued, own, out);
  }
}

async function replyOne(
  connection: Connection,
  { bound, args }: QueuedCommand,
  results: readonly Result[],
  out: ReplyEncoder,
): Promise<void> {
  const { implementation } = bound;
  const { context } = connection.port;
  const failed = results.find((result) => result.type === 'failed');
  if (failed?.type === 'failed') {
    out.error(failureReply(failed.reason).text);
    return;
  }
  bound.calls += 1;
  switch (implementation.kind) {
    case 'read': {
      implementation.reply(recordOf(results[0] as Result), args, out, context);
      return;
    }
    case 'read-many': {
      implementation.reply(results.map(recordOf), args, out);
      return;
    }
    case 'write': {
      implementation.reply(results[0] as Result, args, out, context);
      return;
    }
    case 'write-many': {
      implementation.reply(results, args, out);
      return;
    }
    case 'special':
      try {
        await implementation.run(connection, args, out);
      } catch (failure) {
        const reply = errorReplyOf(failure);
        if (reply === undefined) throw failure;
        out.error(reply.text);
      }
  }
}

function recordOf(result: Result) {
  if (result.type !== 'value') throw unexpectedResult(result);
  return result.record;
}

async function watch(connection: Connection, args: Arguments, out: ReplyEncoder): Promise<void> {
  const { port, transaction } = connection;
  const keys = args.slice(1);
  const redirection = port.redirectionOfAll(keys);
  if (redirection !== undefined) {
    out.error(redirection.text);
    return;
  }
  if (transaction.watchedCount + keys.length > WATCHED_KEYS_MAX) {
    out.error(`ERR a connection watches at most ${WATCHED_KEYS_MAX} keys`);
    return;
  }
  const unwatched = keys.filter((key) => !transaction.isWatched(key));
  const versions = await Promise.all(
    unwatched.map(async (key) => (await port.keyspace.get(key)).record?.version ?? 0),
  );
  unwatched.forEach((key, i) => transaction.watch(key, versions[i] as number));
  out.ok();
}

export const transactionCommands: Implementations = {
  multi: {
    kind: 'special',
    inMulti: 'at-once',
    run: ({ transaction }, _args, out) => {
      if (transaction.isOpen) {
        out.error(NESTED_MULTI_ERROR.text);
        return;
      }
      transaction.open();
      out.ok();
    },
  },
  exec: { kind: 'special', inMulti: 'at-once', run: exec },
  discard: {
    kind: 'special',
    inMulti: 'at-once',
    run: ({ transaction }, _args, out) => {
      if (!transaction.isOpen) {
        out.error(DISCARD_WITHOUT_MULTI_ERROR.text);
        return;
      }
      transaction.reset();
      out.ok();
    },
  },
  watch: {
    kind: 'special',
    inMulti: 'at-once',
    run: (connection, args, out) => {
      if (connection.transaction.isOpen) {
        out.error(WATCH_INSIDE_MULTI_ERROR.text);
        return;
      }
      return watch(connection, args, out);
    },
  },
  unwatch: {
    kind: 'special',
    run: ({ transaction }, _args, out) => {
      transaction.unwatch();
      out.ok();
    },
  },
};
