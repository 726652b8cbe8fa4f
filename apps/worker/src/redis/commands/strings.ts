/** Commands about values. Source: https://redis.io/docs/latest/commands/?group=string, behaviour of Redis 7.2. */
import { parseInt64 } from '@diststore/base';
import type { Condition, Put, ReadOperation, SingleWrite } from '@diststore/data';
import {
  type ErrorReply,
  DECREMENT_OVERFLOW_ERROR,
  errorReply,
  FLOAT_ERROR,
  INTEGER_ERROR,
  LCS_TOO_LARGE_ERROR,
  longestCommonSubsequence,
  MILLISECONDS,
  NAN_OR_INFINITY_ERROR,
  OFFSET_ERROR,
  parseExpiry,
  parseGetExOptions,
  parseLcsOptions,
  parseSetOptions,
  rangeWithin,
  type ReplyEncoder,
  SECONDS,
  VALUE_TOO_LARGE_ERROR,
  wrongArityError,
} from '@diststore/redis';
import { isDecimal } from '@diststore/data';

import type { Arguments, Context, Implementations, ReadOne, WriteOne } from '../implementation.js';
import { unexpectedResult } from '../unexpected-result.js';
import {
  bulkOrNull,
  expiryAt,
  hasHappened,
  KEEP,
  NEVER,
  oldOf,
  replyInteger,
  replyLength,
} from './results.js';

const ALWAYS: readonly Condition[] = [];
const IF_ABSENT: readonly Condition[] = [{ type: 'absent' }];
const IF_PRESENT: readonly Condition[] = [{ type: 'present' }];
const NOTHING = Buffer.alloc(0);
const INFINITE = /^[+-]?inf(inity)?$/i;
/** Where Redis ends a string, whatever it is configured for. */
const STRING_BYTES_MAX = 512 * 1024 * 1024;

function at(args: Arguments, index: number): Buffer {
  return args[index] as Buffer;
}

function put(key: Buffer, value: Buffer, rest: Partial<Put> = {}): Put {
  return {
    type: 'put',
    key,
    value,
    contentType: undefined,
    expiry: NEVER,
    conditions: ALWAYS,
    returnOld: false,
    ...rest,
  };
}

/** Redis's rule is proto-max-bulk-len; here it is what may be stored. */
function checkLength(value: Buffer, { maxValueBytes }: Context): ErrorReply | undefined {
  return value.length > maxValueBytes ? VALUE_TOO_LARGE_ERROR : undefined;
}

function add(key: Buffer, by: bigint): SingleWrite {
  return { type: 'add', key, by, conditions: ALWAYS };
}

const set: WriteOne = {
  kind: 'write',
  operation: (args, context) => {
    const value = at(args, 2);
    if (args.length === 3) return checkLength(value, context) ?? put(at(args, 1), value);
    const nowMs = context.nowMs;
    const options = parseSetOptions(args, nowMs);
    if (!options.ok) return options.error;
    const { condition, returnsOldValue, keepsExpiry, expiresAtMs, relative } = options.value;
    let expiry = keepsExpiry ? KEEP : NEVER;
    if (expiresAtMs !== undefined) expiry = expiryAt(expiresAtMs, relative, nowMs);
    let conditions = ALWAYS;
    if (condition.kind === 'if-absent') conditions = IF_ABSENT;
    else if (condition.kind === 'if-present') conditions = IF_PRESENT;
    else if (condition.kind === 'if-equal') conditions = [{ type: 'value', equals: condition.value }];
    return (
      checkLength(value, context) ??
      put(at(args, 1), value, { expiry, conditions, returnOld: returnsOldValue })
    );
  },
  reply: (result, args, out, context) => {
    if (args.length > 3) {
      const options = parseSetOptions(args, context.nowMs);
      if (options.ok && options.value.returnsOldValue) {
        bulkOrNull(oldOf(result), out);
        return;
      }
    }
    if (result.type === 'refused') out.null();
    else out.ok();
  },
};

const setnx: WriteOne = {
  kind: 'write',
  operation: (args, context) =>
    checkLength(at(args, 2), context) ?? put(at(args, 1), at(args, 2), { conditions: IF_ABSENT }),
  reply: (result, _args, out) => out.integer(hasHappened(result) ? 1 : 0),
};

function setWithExpiry(fullName: string, form: typeof SECONDS): WriteOne {
  return {
    kind: 'write',
    operation: (args, context) => {
      const nowMs = context.nowMs;
      const expiresAt = parseExpiry(at(args, 2), { form, nowMs, fullName });
      if (!expiresAt.ok) return expiresAt.error;
      return (
        checkLength(at(args, 3), context) ??
        put(at(args, 1), at(args, 3), { expiry: expiryAt(expiresAt.value, true, nowMs) })
      );
    },
    reply: (_result, _args, out) => out.ok(),
  };
}

const getset: WriteOne = {
  kind: 'write',
  operation: (args, context) =>
    checkLength(at(args, 2), context) ?? put(at(args, 1), at(args, 2), { returnOld: true }),
  reply: (result, _args, out) => bulkOrNull(oldOf(result), out),
};

const getdel: WriteOne = {
  kind: 'write',
  operation: (args) => ({ type: 'delete', key: at(args, 1), conditions: ALWAYS, returnOld: true }),
  reply: (result, _args, out) => bulkOrNull(oldOf(result), out),
};

const delifeq: WriteOne = {
  kind: 'write',
  operation: (args) => ({
    type: 'delete',
    key: at(args, 1),
    conditions: [{ type: 'value', equals: at(args, 2) }],
    returnOld: false,
  }),
  reply: (result, _args, out) => out.integer(result.type === 'deleted' ? 1 : 0),
};

const getex: WriteOne = {
  kind: 'write',
  operation: (args, context): ReadOperation | SingleWrite | ErrorReply => {
    const key = at(args, 1);
    const nowMs = context.nowMs;
    const options = parseGetExOptions(args, nowMs);
    if (!options.ok) return options.error;
    if (options.value.kind === 'keep') return { type: 'get', key };
    const expiry =
      options.value.kind === 'persist'
        ? ({ type: 'never' } as const)
        : expiryAt(options.value.expiresAtMs, options.value.relative, nowMs);
    return { type: 'set-expiry', key, expiry, rules: [], conditions: ALWAYS, returnOld: true };
  },
  reply: (result, _args, out) => bulkOrNull(result.type === 'value' ? result.record : oldOf(result), out),
};

const append: WriteOne = {
  kind: 'write',
  operation: (args, context) =>
    checkLength(at(args, 2), context) ?? {
      type: 'append',
      key: at(args, 1),
      value: at(args, 2),
      conditions: ALWAYS,
    },
  reply: replyLength,
};

const getrange: ReadOne = {
  kind: 'read',
  reply: (record, args, out) => {
    const start = parseInt64(at(args, 2));
    const end = parseInt64(at(args, 3));
    if (start === undefined || end === undefined) {
      out.error(INTEGER_ERROR.text);
      return;
    }
    const payload = record?.payload ?? NOTHING;
    const range = rangeWithin(payload.length, start, end);
    out.bulk(range === undefined ? NOTHING : payload.subarray(range.first, range.last + 1));
  },
};

const setrange: WriteOne = {
  kind: 'write',
  operation: (args, { maxValueBytes }) => {
    const [key, value] = [at(args, 1), at(args, 3)];
    const offset = parseInt64(at(args, 2));
    if (offset === undefined) return INTEGER_ERROR;
    if (offset < 0) return OFFSET_ERROR;
    if (value.length === 0) return { type: 'get', key };
    if (Number(offset) + value.length > Math.min(maxValueBytes, STRING_BYTES_MAX))
      return VALUE_TOO_LARGE_ERROR;
    return { type: 'set-range', key, offset: Number(offset), value };
  },
  reply: (result, args, out) => {
    if (result.type === 'value') out.integer(result.record?.payload.length ?? 0);
    else replyLength(result, args, out);
  },
};

function increment(by: bigint): WriteOne {
  return { kind: 'write', operation: (args) => add(at(args, 1), by), reply: replyInteger };
}

const incrby: WriteOne = {
  kind: 'write',
  operation: (args) => {
    const by = parseInt64(at(args, 2));
    return by === undefined ? INTEGER_ERROR : add(at(args, 1), BigInt(by));
  },
  reply: replyInteger,
};

const decrby: WriteOne = {
  kind: 'write',
  operation: (args) => {
    const by = parseInt64(at(args, 2));
    if (by === undefined) return INTEGER_ERROR;
    // The one number that has no opposite.
    if (BigInt(by) === -(2n ** 63n)) return DECREMENT_OVERFLOW_ERROR;
    return add(at(args, 1), -BigInt(by));
  },
  reply: replyInteger,
};

const incrbyfloat: WriteOne = {
  kind: 'write',
  operation: (args) => {
    const by = at(args, 2).toString('latin1');
    if (INFINITE.test(by)) return NAN_OR_INFINITY_ERROR;
    return isDecimal(at(args, 2)) ? { type: 'add-decimal', key: at(args, 1), by } : FLOAT_ERROR;
  },
  reply: (result, _args, out) => {
    if (result.type !== 'number') throw unexpectedResult(result);
    out.bulk(result.number);
  },
};

function pairsOf(args: Arguments, fullName: string, context: Context): Put[] | ErrorReply {
  if (args.length % 2 === 0) return wrongArityError(fullName);
  const puts: Put[] = [];
  for (let i = 1; i < args.length; i += 2) {
    const refused = checkLength(at(args, i + 1), context);
    if (refused !== undefined) return refused;
    puts.push(put(at(args, i), at(args, i + 1)));
  }
  return puts;
}

const NOT_IN_MULTI_ERROR = errorReply('ERR MSETNX is not allowed inside a transaction here');

export const stringCommands: Implementations = {
  get: { kind: 'read', reply: (record, _args, out) => bulkOrNull(record, out) },
  set,
  setnx,
  setex: setWithExpiry('setex', SECONDS),
  psetex: setWithExpiry('psetex', MILLISECONDS),
  getset,
  getdel,
  getex,
  delifeq,
  append,
  strlen: { kind: 'read', reply: (record, _args, out) => out.integer(record?.payload.length ?? 0) },
  getrange,
  substr: getrange,
  setrange,
  incr: increment(1n),
  decr: increment(-1n),
  incrby,
  decrby,
  incrbyfloat,
  mget: {
    kind: 'read-many',
    reply: (records, _args, out) => {
      out.arrayHeader(records.length);
      for (const record of records) bulkOrNull(record, out);
    },
  },
  mset: {
    kind: 'write-many',
    operations: (args, context) => pairsOf(args, 'mset', context),
    reply: (_results, _args, out) => out.ok(),
  },
  // Its conditions are about keys that other operations write, which only a whole transaction can express.
  msetnx: {
    kind: 'special',
    inMulti: NOT_IN_MULTI_ERROR,
    run: async (connection, args, out) => {
      const { port } = connection;
      const puts = pairsOf(args, 'msetnx', port.context);
      if (!Array.isArray(puts)) {
        out.error(puts.text);
        return;
      }
      const keys = puts.map(({ key }) => key);
      const redirection = port.crossSlotErrorOf(keys) ?? port.redirectionOf(keys[0] as Buffer);
      if (redirection !== undefined) {
        out.error(redirection.text);
        return;
      }
      const { result, replicas } = await port.keyspace.perform({
        type: 'transaction',
        compare: keys.map((key) => ({ key, conditions: IF_ABSENT })),
        then: puts,
        otherwise: [],
        continueOnFailure: false,
      });
      connection.holdersOfLastWrite = replicas.length;
      if (result.type === 'failed') out.error(VALUE_TOO_LARGE_ERROR.text);
      else if (result.type === 'transaction') out.integer(result.held ? 1 : 0);
      else throw unexpectedResult(result);
    },
  },
  lcs: {
    kind: 'read-many',
    check: (args) => {
      const options = parseLcsOptions(args);
      return options.ok ? undefined : options.error;
    },
    reply: ([a, b], args, out) => {
      const options = parseLcsOptions(args);
      if (options.ok) replyLcs(a?.payload ?? NOTHING, b?.payload ?? NOTHING, options.value, out);
      else out.error(options.error.text);
    },
  },
};

function replyLcs(
  a: Buffer,
  b: Buffer,
  {
    gives,
    matchLengthMin,
    withMatchLength,
  }: { gives: string; matchLengthMin: number; withMatchLength: boolean },
  out: ReplyEncoder,
): void {
  const common = longestCommonSubsequence(a, b);
  if (common === undefined) {
    out.error(LCS_TOO_LARGE_ERROR.text);
  } else if (gives === 'string') {
    out.bulk(common.bytes);
  } else if (gives === 'length') {
    out.integer(common.length);
  } else {
    const runs = common.runs.filter(({ length }) => length >= matchLengthMin);
    out.mapHeader(2);
    out.bulk('matches');
    out.arrayHeader(runs.length);
    for (const { a: inA, b: inB, length } of runs) {
      out.arrayHeader(withMatchLength ? 3 : 2);
      for (const start of [inA, inB]) {
        out.arrayHeader(2);
        out.integer(start);
        out.integer(start + length - 1);
      }
      if (withMatchLength) out.integer(length);
    }
    out.bulk('len');
    out.integer(common.length);
  }
}
