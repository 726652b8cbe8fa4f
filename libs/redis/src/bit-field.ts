/**
 * BITFIELD key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value | INCRBY encoding offset
 * increment]…, and its read-only form.
 *
 * Source: https://redis.io/docs/latest/commands/bitfield/
 */
import { parseInt64 } from '@diststore/base';

import { DIGIT_0, equalsIgnoringCase } from './ascii.js';
import { BIT_OFFSET_MAX } from './limits.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { BIT_OFFSET_ERROR, INTEGER_ERROR, SYNTAX_ERROR } from './redis-errors.js';
import { errorReply } from './reply.js';

interface Field {
  readonly signed: boolean;
  /** 1 to 64 when signed, 1 to 63 otherwise. */
  readonly bits: number;
  /** In bits. */
  readonly offset: number;
}

export type BitFieldCommand =
  | ({ readonly type: 'get' } & Field)
  | ({
      readonly type: 'set' | 'add';
      readonly value: bigint;
      readonly overflow: 'wrap' | 'saturate' | 'fail';
    } & Field);

const SIGNED = 0x69; // i
const UNSIGNED = 0x75; // u
const NUMBER_SIGN = 0x23; // #

const TYPE_ERROR = errorReply(
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
);
const OVERFLOW_TYPE_ERROR = errorReply('ERR Invalid OVERFLOW type specified');
const READ_ONLY_ERROR = errorReply('ERR BITFIELD_RO only supports the GET subcommand');

/** REQUIRES: `args` is a whole command. */
export function parseBitField(args: readonly Buffer[], readOnly: boolean): Parsed<BitFieldCommand[]> {
  const commands: BitFieldCommand[] = [];
  let overflow: 'wrap' | 'saturate' | 'fail' = 'wrap';
  for (let i = 2; i < args.length;) {
    const word = args[i] as Buffer;
    const left = args.length - i - 1;
    if (equalsIgnoringCase(word, 'overflow') && left >= 1) {
      const stated = overflowOf(args[i + 1] as Buffer);
      if (stated === undefined) return refused(OVERFLOW_TYPE_ERROR);
      overflow = stated;
      i += 2;
      continue;
    }
    const type = typeOf(word);
    const operands = type === 'get' ? 2 : 3;
    if (type === undefined || left < operands) return refused(SYNTAX_ERROR);
    const field = parseField(args[i + 1] as Buffer, args[i + 2] as Buffer);
    if (!field.ok) return field;
    if (type === 'get') {
      commands.push({ type, ...field.value });
    } else {
      if (readOnly) return refused(READ_ONLY_ERROR);
      const value = parseInt64(args[i + 3] as Buffer);
      if (value === undefined) return refused(INTEGER_ERROR);
      commands.push({ type, ...field.value, value: BigInt(value), overflow });
    }
    i += 1 + operands;
  }
  return parsed(commands);
}

function overflowOf(word: Buffer): 'wrap' | 'saturate' | 'fail' | undefined {
  if (equalsIgnoringCase(word, 'wrap')) return 'wrap';
  if (equalsIgnoringCase(word, 'sat')) return 'saturate';
  return equalsIgnoringCase(word, 'fail') ? 'fail' : undefined;
}

function typeOf(word: Buffer): BitFieldCommand['type'] | undefined {
  if (equalsIgnoringCase(word, 'get')) return 'get';
  if (equalsIgnoringCase(word, 'set')) return 'set';
  return equalsIgnoringCase(word, 'incrby') ? 'add' : undefined;
}

function parseField(encoding: Buffer, offsetArg: Buffer): Parsed<Field> {
  const signed = encoding[0] === SIGNED;
  const bits = parseInt64(encoding.subarray(1));
  const bitsMax = signed ? 64 : 63;
  if ((!signed && encoding[0] !== UNSIGNED) || typeof bits !== 'number' || bits < 1 || bits > bitsMax)
    return refused(TYPE_ERROR);
  const multiplied = offsetArg[0] === NUMBER_SIGN;
  const stated = parseInt64(multiplied ? offsetArg.subarray(1) : offsetArg);
  const offset = Number(stated ?? -1) * (multiplied ? bits : 1);
  if (offset < 0 || offset > BIT_OFFSET_MAX) return refused(BIT_OFFSET_ERROR);
  return parsed({ signed, bits, offset });
}

/** The offset of GETBIT and SETBIT. */
export function parseBitOffset(arg: Buffer): Parsed<number> {
  const offset = parseInt64(arg);
  if (typeof offset !== 'number' || offset < 0 || offset > BIT_OFFSET_MAX) return refused(BIT_OFFSET_ERROR);
  return parsed(offset);
}

/** The bit of SETBIT; undefined when it is none. */
export function parseBit(arg: Buffer): 0 | 1 | undefined {
  const digit = arg.length === 1 ? (arg[0] as number) - DIGIT_0 : -1;
  return digit === 0 || digit === 1 ? digit : undefined;
}
