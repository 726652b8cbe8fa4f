/** Commands that take a value as a row of bits. Source: https://redis.io/docs/latest/commands/?group=bitmap */
import type { BitOperation } from '@diststore/data';
import {
  BIT_ERROR,
  BITOP_NOT_ERROR,
  countBits,
  equalsIgnoringCase,
  findBit,
  parseBit,
  parseBitCount,
  parseBitField,
  parseBitOffset,
  parseBitPos,
  SYNTAX_ERROR,
  VALUE_TOO_LARGE_ERROR,
} from '@diststore/redis';
import { parseInt64 } from '@diststore/base';

import type { Implementations, WriteOne } from '../implementation.js';
import { unexpectedResult } from '../unexpected-result.js';
import { replyInteger, replyLength } from './results.js';

const OPERATORS: readonly BitOperation['operator'][] = ['and', 'or', 'xor', 'not'];

function bitField(readOnly: boolean): WriteOne {
  return {
    kind: 'write',
    operation: (args, { maxValueBytes }) => {
      const steps = parseBitField(args, readOnly);
      if (!steps.ok) return steps.error;
      const writesTo = steps.value.reduce(
        (end, step) => (step.type === 'get' ? end : Math.max(end, step.offset + step.bits)),
        0,
      );
      if (writesTo > maxValueBytes * 8) return VALUE_TOO_LARGE_ERROR;
      return { type: 'bit-field', key: args[1] as Buffer, steps: steps.value };
    },
    reply: (result, _args, out) => {
      if (result.type !== 'numbers') throw unexpectedResult(result);
      out.arrayHeader(result.numbers.length);
      for (const number of result.numbers) {
        if (number === null) out.null();
        else out.integer(parseInt64(Buffer.from(number)) ?? 0);
      }
    },
  };
}

export const bitCommands: Implementations = {
  bitcount: {
    kind: 'read',
    reply: (record, args, out) => {
      const range = parseBitCount(args);
      if (!range.ok) out.error(range.error.text);
      else out.integer(record === undefined ? 0 : countBits(record.payload, range.value));
    },
  },
  bitpos: {
    kind: 'read',
    reply: (record, args, out) => {
      const wanted = parseBitPos(args);
      if (!wanted.ok) out.error(wanted.error.text);
      else if (record === undefined) out.integer(wanted.value.bit === 1 ? -1 : 0);
      else out.integer(findBit(record.payload, wanted.value.bit, wanted.value));
    },
  },
  getbit: {
    kind: 'read',
    reply: (record, args, out) => {
      const offset = parseBitOffset(args[2] as Buffer);
      if (!offset.ok) {
        out.error(offset.error.text);
        return;
      }
      const byte = record?.payload[Math.floor(offset.value / 8)] ?? 0;
      out.integer((byte >> (7 - (offset.value % 8))) & 1);
    },
  },
  setbit: {
    kind: 'write',
    operation: (args, { maxValueBytes }) => {
      const offset = parseBitOffset(args[2] as Buffer);
      if (!offset.ok) return offset.error;
      const bit = parseBit(args[3] as Buffer);
      if (bit === undefined) return BIT_ERROR;
      if (offset.value >= maxValueBytes * 8) return VALUE_TOO_LARGE_ERROR;
      return { type: 'set-bit', key: args[1] as Buffer, offset: offset.value, bit };
    },
    reply: replyInteger,
  },
  bitfield: bitField(false),
  bitfield_ro: bitField(true),
  bitop: {
    kind: 'write',
    operation: (args) => {
      const operator = OPERATORS.find((known) => equalsIgnoringCase(args[1] as Buffer, known));
      if (operator === undefined) return SYNTAX_ERROR;
      const sources = args.slice(3);
      if (operator === 'not' && sources.length !== 1) return BITOP_NOT_ERROR;
      return { type: 'bit-operation', operator, key: args[2] as Buffer, sources };
    },
    reply: replyLength,
  },
};
