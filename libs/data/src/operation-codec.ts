/**
 * Operations in bytes, as one worker asks another for them. All numbers are big endian. On the wire, never renumber.
 *
 *     operation    1 format, 1     then its kind and fields:
 *
 *     1 get            key
 *     2 put            key  content type  expiry  conditions  1 return old  value
 *     3 delete         key  conditions  1 return old
 *     4 set-expiry     key  expiry  1 rules: bits 0 if-none, 1 if-some, 2 if-later, 3 if-earlier
 *                      conditions  1 return old
 *     5 add            key  8 by, signed  conditions
 *     6 add-decimal    key  2+n by, ASCII
 *     7 append         key  conditions  value
 *     8 set-range      key  8 offset  value
 *     9 set-bit        key  8 offset  1 bit
 *     10 bit-field     key  2 number of steps, each: 1 kind: 0 get, 1 set, 2 add   1 signed   1 bits   8 offset
 *                      set and add: 8 value, signed   1 overflow: 0 wrap, 1 saturate, 2 fail
 *     11 bit-operation key  1 operator: 0 and, 1 or, 2 xor, 3 not   2 number of sources, each: key
 *     12 copy          from: key   to: key   1 move   1 replace
 *     13 transaction   2 number of comparisons, each: key  conditions
 *                      2 number of operations, each: kind and fields   2 number of the others, likewise
 *                      1 continue on failure          (operations are of the kinds 1 to 12)
 *     14 clear
 *
 *     key          2+n, 1 to 1024 bytes
 *     content type 1+n, ASCII, at most 254; 255 alone = none
 *     value        4+n
 *     expiry       1 kind: 0 never, 1 keep, 2 at, 3 in     2, 3: 8 milliseconds
 *     conditions   1 number, each: 1 kind: 0 absent, 1 present, 2 version, 3 not-version, 4 value
 *                  2, 3: 2 number of versions, each: 8       4: value
 */
import { unreachable } from '@diststore/base';

import {
  BIT_FIELD_STEPS_MAX,
  BIT_SOURCES_MAX,
  CONDITIONS_MAX,
  CONDITION_VERSIONS_MAX,
  DECIMAL_TEXT_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
} from './limits.js';
import type {
  BitFieldStep,
  Condition,
  Expiry,
  ExpiryRule,
  Operation,
  ReadOperation,
  SingleWrite,
  Transaction,
} from './operation.js';
import { decodeWhole, Malformed } from './piece-reader.js';
import type { PieceReader } from './piece-reader.js';
import { PieceWriter } from './piece-writer.js';

const FORMAT = 1;

const KIND = {
  get: 1,
  put: 2,
  delete: 3,
  'set-expiry': 4,
  add: 5,
  'add-decimal': 6,
  append: 7,
  'set-range': 8,
  'set-bit': 9,
  'bit-field': 10,
  'bit-operation': 11,
  copy: 12,
  transaction: 13,
  clear: 14,
} as const satisfies Record<Operation['type'], number>;

const EXPIRIES = ['never', 'keep', 'at', 'in'] as const;
const CONDITIONS = ['absent', 'present', 'version', 'not-version', 'value'] as const;
const RULES: readonly ExpiryRule[] = ['if-none', 'if-some', 'if-later', 'if-earlier'];
const STEPS = ['get', 'set', 'add'] as const;
const OVERFLOWS = ['wrap', 'saturate', 'fail'] as const;
const OPERATORS = ['and', 'or', 'xor', 'not'] as const;

/** The least that a step, a key, a comparison and an operation take. */
const STEP_BYTES_MIN = 11;
const KEY_FIELD_BYTES_MIN = 3;
const COMPARISON_BYTES_MIN = 4;
const OPERATION_BYTES_MIN = 4;

/**
 * Pieces that form the message together; large values are in it as they are, uncopied.
 * REQUIRES: `checkOperation` has passed; the buffers do not change until the message is sent.
 */
export function encodeOperation(operation: Operation): Buffer[] {
  const out = new PieceWriter().u8(FORMAT);
  if (operation.type === 'clear') out.u8(KIND.clear);
  else if (operation.type === 'transaction') writeTransaction(out, operation);
  else writeSingle(out, operation);
  return out.finish();
}

/** Undefined when the bytes are no operation of this format. Keys and values are views into them. */
export function decodeOperation(bytes: Buffer): Operation | undefined {
  return decodeWhole(bytes, (input): Operation => {
    if (input.u8() !== FORMAT) throw new Malformed('an operation of another format');
    const kind = input.u8();
    if (kind === KIND.clear) return { type: 'clear' };
    return kind === KIND.transaction ? readTransaction(input) : readSingle(input, kind);
  });
}

function writeTransaction(out: PieceWriter, { compare, then, otherwise, continueOnFailure }: Transaction): void {
  out.u8(KIND.transaction).u16(compare.length);
  for (const { key, conditions } of compare) writeConditions(out.key(key), conditions);
  for (const branch of [then, otherwise]) {
    out.u16(branch.length);
    for (const operation of branch) writeSingle(out, operation);
  }
  out.bool(continueOnFailure);
}

function readTransaction(input: PieceReader): Transaction {
  let room = TRANSACTION_OPERATIONS_MAX;
  const compare = input.list(room, COMPARISON_BYTES_MIN, () => ({
    key: input.key(),
    conditions: readConditions(input),
  }));
  room -= compare.length;
  const then = input.list(room, OPERATION_BYTES_MIN, () => readSingle(input, input.u8()));
  room -= then.length;
  const otherwise = input.list(room, OPERATION_BYTES_MIN, () => readSingle(input, input.u8()));
  return { type: 'transaction', compare, then, otherwise, continueOnFailure: input.bool() };
}

function writeSingle(out: PieceWriter, operation: ReadOperation | SingleWrite): void {
  out.u8(KIND[operation.type]);
  switch (operation.type) {
    case 'get':
      out.key(operation.key);
      break;
    case 'put':
      out.key(operation.key).contentType(operation.contentType);
      writeExpiry(out, operation.expiry);
      writeConditions(out, operation.conditions);
      out.bool(operation.returnOld).block(operation.value);
      break;
    case 'delete':
      writeConditions(out.key(operation.key), operation.conditions);
      out.bool(operation.returnOld);
      break;
    case 'set-expiry':
      writeExpiry(out.key(operation.key), operation.expiry);
      out.u8(operation.rules.reduce((bits, rule) => bits | (1 << RULES.indexOf(rule)), 0));
      writeConditions(out, operation.conditions);
      out.bool(operation.returnOld);
      break;
    case 'add':
      writeConditions(out.key(operation.key).i64(operation.by), operation.conditions);
      break;
    case 'add-decimal':
      out.key(operation.key).ascii(operation.by);
      break;
    case 'append':
      writeConditions(out.key(operation.key), operation.conditions);
      out.block(operation.value);
      break;
    case 'set-range':
      out.key(operation.key).u64(operation.offset).block(operation.value);
      break;
    case 'set-bit':
      out.key(operation.key).u64(operation.offset).u8(operation.bit);
      break;
    case 'bit-field':
      out.key(operation.key).u16(operation.steps.length);
      for (const step of operation.steps) writeStep(out, step);
      break;
    case 'bit-operation':
      out.key(operation.key).u8(OPERATORS.indexOf(operation.operator)).u16(operation.sources.length);
      for (const source of operation.sources) out.key(source);
      break;
    case 'copy':
      out.key(operation.from).key(operation.key).bool(operation.move).bool(operation.replace);
      break;
    default:
      unreachable(operation);
  }
}

/** Properties are read in the order in which they stand, which is that of the bytes. */
function readSingle(input: PieceReader, kind: number): ReadOperation | SingleWrite {
  const key = input.key();
  switch (kind) {
    case KIND.get:
      return { type: 'get', key };
    case KIND.put: {
      const contentType = input.contentType();
      const expiry = readExpiry(input);
      const conditions = readConditions(input);
      const returnOld = input.bool();
      return { type: 'put', key, value: input.block(), contentType, expiry, conditions, returnOld };
    }
    case KIND.delete:
      return { type: 'delete', key, conditions: readConditions(input), returnOld: input.bool() };
    case KIND['set-expiry']: {
      const expiry = readExpiry(input);
      if (expiry.type === 'keep') throw new Malformed('an expiry that is given and kept');
      const rules = readRules(input);
      return { type: 'set-expiry', key, expiry, rules, conditions: readConditions(input), returnOld: input.bool() };
    }
    case KIND.add:
      return { type: 'add', key, by: input.i64(), conditions: readConditions(input) };
    case KIND['add-decimal']:
      return { type: 'add-decimal', key, by: input.ascii(DECIMAL_TEXT_BYTES_MAX) };
    case KIND.append:
      return { type: 'append', key, conditions: readConditions(input), value: input.block() };
    case KIND['set-range']:
      return { type: 'set-range', key, offset: input.u64(), value: input.block() };
    case KIND['set-bit']:
      return { type: 'set-bit', key, offset: input.u64(), bit: input.choice([0, 1] as const) };
    case KIND['bit-field']:
      return { type: 'bit-field', key, steps: input.list(BIT_FIELD_STEPS_MAX, STEP_BYTES_MIN, () => readStep(input)) };
    case KIND['bit-operation']: {
      const operator = input.choice(OPERATORS);
      const sources = input.list(BIT_SOURCES_MAX, KEY_FIELD_BYTES_MIN, () => input.key());
      if (operator === 'not' ? sources.length !== 1 : sources.length === 0)
        throw new Malformed('a bit operation with another number of sources');
      return { type: 'bit-operation', operator, key, sources };
    }
    case KIND.copy:
      return { type: 'copy', from: key, key: input.key(), move: input.bool(), replace: input.bool() };
    default:
      throw new Malformed('an operation of unknown kind');
  }
}

function writeExpiry(out: PieceWriter, expiry: Expiry): void {
  out.u8(EXPIRIES.indexOf(expiry.type));
  if (expiry.type === 'at') out.u64(expiry.atMs);
  else if (expiry.type === 'in') out.u64(expiry.ms);
}

function readExpiry(input: PieceReader): Expiry {
  const type = input.choice(EXPIRIES);
  switch (type) {
    case 'at':
      return { type, atMs: input.u64() };
    case 'in': {
      const ms = input.u64();
      if (ms < 1) throw new Malformed('a lifetime of nothing');
      return { type, ms };
    }
    default:
      return { type };
  }
}

function readRules(input: PieceReader): ExpiryRule[] {
  const bits = input.u8();
  if (bits >> RULES.length !== 0) throw new Malformed('an unknown rule');
  return RULES.filter((_rule, index) => (bits & (1 << index)) !== 0);
}

function writeConditions(out: PieceWriter, conditions: readonly Condition[]): void {
  out.u8(conditions.length);
  for (const condition of conditions) {
    out.u8(CONDITIONS.indexOf(condition.type));
    switch (condition.type) {
      case 'version':
        writeVersions(out, condition.anyOf);
        break;
      case 'not-version':
        writeVersions(out, condition.noneOf);
        break;
      case 'value':
        out.block(condition.equals);
        break;
      default:
    }
  }
}

function writeVersions(out: PieceWriter, versions: readonly number[]): void {
  out.u16(versions.length);
  for (const version of versions) out.u64(version);
}

function readConditions(input: PieceReader): Condition[] {
  const count = input.u8();
  if (count > CONDITIONS_MAX) throw new Malformed('too many conditions');
  return Array.from({ length: count }, (): Condition => {
    const type = input.choice(CONDITIONS);
    switch (type) {
      case 'version':
        return { type, anyOf: readVersions(input) };
      case 'not-version':
        return { type, noneOf: readVersions(input) };
      case 'value':
        return { type, equals: input.block() };
      default:
        return { type };
    }
  });
}

function readVersions(input: PieceReader): number[] {
  return input.list(CONDITION_VERSIONS_MAX, 8, () => input.u64());
}

function writeStep(out: PieceWriter, step: BitFieldStep): void {
  out.u8(STEPS.indexOf(step.type)).bool(step.signed).u8(step.bits).u64(step.offset);
  if (step.type !== 'get') out.i64(step.value).u8(OVERFLOWS.indexOf(step.overflow));
}

function readStep(input: PieceReader): BitFieldStep {
  const type = input.choice(STEPS);
  const signed = input.bool();
  const bits = input.u8();
  const offset = input.u64();
  if (bits < 1 || bits > (signed ? 64 : 63)) throw new Malformed('a field of impossible width');
  if (type === 'get') return { type, signed, bits, offset };
  return { type, signed, bits, offset, value: input.i64(), overflow: input.choice(OVERFLOWS) };
}
