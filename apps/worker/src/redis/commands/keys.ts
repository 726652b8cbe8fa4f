/** Commands about keys, whatever their values are. Source: https://redis.io/docs/latest/commands/?group=generic */
import type { Delete, ExpiryRule, StoredValue } from '@diststore/data';
import { parseInt64 } from '@diststore/base';
import {
  BUSY_KEY_ERROR,
  DB_INDEX_ERROR,
  DUMP_CHECKSUM_ERROR,
  DUMP_FORMAT_ERROR,
  dumpPayload,
  equalsIgnoringCase,
  type ErrorReply,
  errorReply,
  type ExpiryForm,
  INTEGER_ERROR,
  MILLISECONDS,
  NO_SUCH_KEY_ERROR,
  parseDeadline,
  parseExpireCondition,
  type ReplyEncoder,
  restorePayload,
  SAME_KEY_ERROR,
  SECONDS,
  SYNTAX_ERROR,
  UNIX_MILLISECONDS,
  UNIX_SECONDS,
  VALUE_TOO_LARGE_ERROR,
} from '@diststore/redis';

import type {
  Arguments,
  Context,
  Implementations,
  ReadMany,
  ReadOne,
  WriteMany,
  WriteOne,
} from '../implementation.js';
import { expiryAt, hasHappened, NEVER } from './results.js';

function deleteAll(): WriteMany {
  return {
    kind: 'write-many',
    operations: (args) =>
      args.slice(1).map((key): Delete => ({ type: 'delete', key, conditions: [], returnOld: false })),
    reply: (results, _args, out) =>
      out.integer(results.reduce((sum, { type }) => sum + (type === 'deleted' ? 1 : 0), 0)),
  };
}

const countPresent: ReadMany = {
  kind: 'read-many',
  reply: (records, _args, out) =>
    out.integer(records.reduce((sum, record) => sum + (record === undefined ? 0 : 1), 0)),
};

function expire(fullName: string, form: ExpiryForm): WriteOne {
  return {
    kind: 'write',
    operation: (args, context) => {
      const nowMs = context.nowMs;
      // The options come first: of two errors Redis tells theirs.
      const condition = parseExpireCondition(args);
      if (!condition.ok) return condition.error;
      const deadline = parseDeadline(args[2] as Buffer, { form, nowMs, fullName });
      if (!deadline.ok) return deadline.error;
      const { ifNone, ifSome, ifLater, ifSooner } = condition.value;
      const rules: ExpiryRule[] = [];
      if (ifNone) rules.push('if-none');
      if (ifSome) rules.push('if-some');
      if (ifLater) rules.push('if-later');
      if (ifSooner) rules.push('if-earlier');
      const expiry = expiryAt(deadline.value, !form.absolute, nowMs);
      return { type: 'set-expiry', key: args[1] as Buffer, expiry, rules, conditions: [], returnOld: false };
    },
    reply: (result, _args, out) => out.integer(hasHappened(result) ? 1 : 0),
  };
}

/** -2 for no key, -1 for no expiry, otherwise what `tell` makes of the time. */
function tellExpiry(tell: (expireAtMs: number, nowMs: number) => number): ReadOne {
  return {
    kind: 'read',
    reply: (record, _args, out, context) => {
      if (record === undefined) out.integer(-2);
      else if (record.expireAtMs === 0) out.integer(-1);
      else out.integer(tell(record.expireAtMs, context.nowMs));
    },
  };
}

const persist: WriteOne = {
  kind: 'write',
  operation: (args) => ({
    type: 'set-expiry',
    key: args[1] as Buffer,
    expiry: { type: 'never' },
    rules: ['if-some'],
    conditions: [],
    returnOld: false,
  }),
  reply: (result, _args, out) => out.integer(hasHappened(result) ? 1 : 0),
};

function rename(replace: boolean): WriteOne {
  return {
    kind: 'write',
    operation: (args) => {
      const [from, key] = [args[1] as Buffer, args[2] as Buffer];
      // Onto itself: only whether it is there matters.
      if (from.equals(key)) return { type: 'get', key };
      return { type: 'copy', from, key, move: true, replace };
    },
    reply: (result, _args, out) => {
      const isOnto = result.type === 'value';
      if (result.type === 'absent' || (isOnto && result.record === undefined))
        out.error(NO_SUCH_KEY_ERROR.text);
      else if (replace) out.ok();
      else out.integer(!isOnto && hasHappened(result) ? 1 : 0);
    },
  };
}

const copy: WriteOne = {
  kind: 'write',
  operation: (args) => {
    const [from, key] = [args[1] as Buffer, args[2] as Buffer];
    let replace = false;
    for (let i = 3; i < args.length; i++) {
      const option = args[i] as Buffer;
      const operand = args[i + 1];
      if (equalsIgnoringCase(option, 'replace')) {
        replace = true;
      } else if (equalsIgnoringCase(option, 'db') && operand !== undefined) {
        const db = parseInt64(operand);
        if (db === undefined) return INTEGER_ERROR;
        if (db !== 0) return DB_INDEX_ERROR;
        i++;
      } else {
        return SYNTAX_ERROR;
      }
    }
    return from.equals(key) ? SAME_KEY_ERROR : { type: 'copy', from, key, move: false, replace };
  },
  reply: (result, _args, out) => out.integer(hasHappened(result) ? 1 : 0),
};

/** Of the objects that Redis would make for a key and its value, on 64 bits; a good guess and nothing more. */
const KEY_OVERHEAD_BYTES = 56;
const EMBEDDED_BYTES_MAX = 44;

function encodingOf({ payload }: StoredValue): string {
  if (payload.length <= 20 && parseInt64(payload) !== undefined) return 'int';
  return payload.length <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw';
}

/** OBJECT answers null for no key. */
function aboutObject(tell: (record: StoredValue, out: ReplyEncoder) => void): ReadOne {
  return {
    kind: 'read',
    reply: (record, _args, out) => {
      if (record === undefined) out.null();
      else tell(record, out);
    },
  };
}

const FREQUENCY_ERROR = errorReply(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

const memoryUsage: ReadOne = {
  kind: 'read',
  reply: (record, args, out) => {
    const options = args.slice(3);
    for (let i = 0; i < options.length; i += 2) {
      const operand = options[i + 1];
      if (operand === undefined || !equalsIgnoringCase(options[i] as Buffer, 'samples')) {
        out.error(SYNTAX_ERROR.text);
        return;
      }
      const samples = parseInt64(operand);
      if (samples === undefined || samples < 0) {
        out.error((samples === undefined ? INTEGER_ERROR : SYNTAX_ERROR).text);
        return;
      }
    }
    if (record === undefined) out.null();
    else out.integer(record.payload.length + (args[2] as Buffer).length + KEY_OVERHEAD_BYTES);
  },
};

interface RestoreOptions {
  readonly replace: boolean;
  readonly absolute: boolean;
}

const IDLE_TIME_ERROR = errorReply('ERR Invalid IDLETIME value, must be >= 0');
const FREQUENCY_RANGE_ERROR = errorReply('ERR Invalid FREQ value, must be >= 0 and <= 255');
const TTL_ERROR = errorReply('ERR Invalid TTL value, must be >= 0');

function restoreOptions(args: Arguments): RestoreOptions | ErrorReply {
  let replace = false;
  let absolute = false;
  for (let i = 4; i < args.length; i++) {
    const option = args[i] as Buffer;
    const operand = args[i + 1];
    if (equalsIgnoringCase(option, 'replace')) {
      replace = true;
    } else if (equalsIgnoringCase(option, 'absttl')) {
      absolute = true;
    } else if (equalsIgnoringCase(option, 'idletime') && operand !== undefined) {
      const seconds = parseInt64(operand);
      if (seconds === undefined) return INTEGER_ERROR;
      if (seconds < 0) return IDLE_TIME_ERROR;
      i++;
    } else if (equalsIgnoringCase(option, 'freq') && operand !== undefined) {
      const frequency = parseInt64(operand);
      if (frequency === undefined) return INTEGER_ERROR;
      if (frequency < 0 || frequency > 255) return FREQUENCY_RANGE_ERROR;
      i++;
    } else {
      return SYNTAX_ERROR;
    }
  }
  return { replace, absolute };
}

/** The value and time of RESTORE, or what is wrong with them. */
function restored(
  args: Arguments,
  { maxValueBytes }: Context,
): { readonly value: Buffer; readonly ttl: number } | ErrorReply {
  const ttl = parseInt64(args[2] as Buffer);
  if (ttl === undefined) return INTEGER_ERROR;
  if (ttl < 0 || typeof ttl === 'bigint') return TTL_ERROR;
  const payload = restorePayload(args[3] as Buffer, maxValueBytes);
  switch (payload.kind) {
    case 'value':
      return { value: payload.value, ttl };
    case 'bad-checksum':
      return DUMP_CHECKSUM_ERROR;
    case 'bad-format':
      return DUMP_FORMAT_ERROR;
    case 'too-large':
      return VALUE_TOO_LARGE_ERROR;
  }
}

const restore: WriteOne = {
  kind: 'write',
  operation: (args, context) => {
    const key = args[1] as Buffer;
    const options = restoreOptions(args);
    if ('kind' in options) return options;
    const { replace, absolute } = options;
    const contents = restored(args, context);
    // A key that is there is the first thing that Redis complains about.
    if ('kind' in contents) return replace ? contents : { type: 'get', key };
    const { value, ttl } = contents;
    let expiry: typeof NEVER = NEVER;
    if (ttl > 0) expiry = absolute ? { type: 'at', atMs: ttl } : { type: 'in', ms: ttl };
    const conditions = replace ? [] : [{ type: 'absent' } as const];
    return { type: 'put', key, value, contentType: undefined, expiry, conditions, returnOld: false };
  },
  reply: (result, args, out, context) => {
    if (result.type === 'value') {
      const contents = result.record === undefined ? restored(args, context) : BUSY_KEY_ERROR;
      out.error('kind' in contents ? contents.text : BUSY_KEY_ERROR.text);
    } else if (result.type === 'refused') {
      out.error(BUSY_KEY_ERROR.text);
    } else {
      out.ok();
    }
  },
};

export const keyCommands: Implementations = {
  del: deleteAll(),
  unlink: deleteAll(),
  exists: countPresent,
  touch: countPresent,
  type: { kind: 'read', reply: (record, _args, out) => out.simple(record === undefined ? 'none' : 'string') },
  expire: expire('expire', SECONDS),
  pexpire: expire('pexpire', MILLISECONDS),
  expireat: expire('expireat', UNIX_SECONDS),
  pexpireat: expire('pexpireat', UNIX_MILLISECONDS),
  ttl: tellExpiry((expireAtMs, nowMs) => Math.floor((Math.max(0, expireAtMs - nowMs) + 500) / 1000)),
  pttl: tellExpiry((expireAtMs, nowMs) => Math.max(0, expireAtMs - nowMs)),
  expiretime: tellExpiry((expireAtMs) => Math.floor((expireAtMs + 500) / 1000)),
  pexpiretime: tellExpiry((expireAtMs) => expireAtMs),
  persist,
  rename: rename(true),
  renamenx: rename(false),
  copy,
  'object|encoding': aboutObject((record, out) => out.bulk(encodingOf(record))),
  'object|refcount': aboutObject((_record, out) => out.integer(1)),
  'object|idletime': aboutObject((_record, out) => out.integer(0)),
  'object|freq': aboutObject((_record, out) => out.error(FREQUENCY_ERROR.text)),
  'memory|usage': memoryUsage,
  dump: {
    kind: 'read',
    reply: (record, _args, out) => {
      if (record === undefined) out.null();
      else out.bulk(dumpPayload(record.payload));
    },
  },
  restore,
};
