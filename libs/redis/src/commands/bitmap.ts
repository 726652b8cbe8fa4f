/**
 * Commands that take a value as a row of bits.
 */
import { equalsIgnoringCase } from '../ascii.js';
import type { CommandSpec } from '../command-spec.js';
import { keyAt, keysFrom } from '../key-spec.js';

export const bitmapCommands: readonly CommandSpec[] = [
  {
    name: 'bitcount',
    arity: -2,
    flags: ['readonly'],
    categories: ['bitmap'],
    keys: [keyAt(1, 'RO', 'access')],
    summary: 'Counts the bits that are set.',
    since: '2.6.0',
    complexity: 'O(N), N the number of bytes looked at',
    syntax: 'key range=[start:integer end:integer unit=[BYTE | BIT]]',
    history: [['7.0.0', 'Takes BYTE and BIT.']],
  },
  {
    name: 'bitfield',
    arity: -2,
    flags: ['write', 'denyoom'],
    categories: ['bitmap'],
    keys: [
      {
        ...keyAt(1, 'RW', 'access', 'update', 'variable_flags'),
        notes: 'It writes only with SET or INCRBY.',
        flagsOf: (args) =>
          args.slice(2).some((word) => equalsIgnoringCase(word, 'set') || equalsIgnoringCase(word, 'incrby'))
            ? ['RW', 'access', 'update']
            : ['RO', 'access'],
      },
    ],
    summary: 'Reads and changes integers of any width within a value.',
    since: '3.2.0',
    complexity: 'O(1) for each operation',
    syntax:
      'key operation=[GET get-block=(encoding offset:integer) | write=([OVERFLOW overflow-block=(WRAP | SAT | FAIL)] write-operation=(SET set-block=(encoding offset:integer value:integer) | INCRBY incrby-block=(encoding offset:integer increment:integer)))]...',
  },
  {
    name: 'bitfield_ro',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['bitmap'],
    keys: [keyAt(1, 'RO', 'access')],
    summary: 'Reads integers of any width within a value.',
    since: '6.0.0',
    complexity: 'O(1) for each operation',
    syntax: 'key get-block=[GET field=(encoding offset:integer)]...',
  },
  {
    name: 'bitop',
    arity: -4,
    flags: ['write', 'denyoom'],
    categories: ['bitmap'],
    keys: [keyAt(2, 'OW', 'update'), keysFrom(3, { lastKey: -1, keyStep: 1 }, 'RO', 'access')],
    summary: 'Combines values bit by bit and stores the result.',
    since: '2.6.0',
    complexity: 'O(N), N the number of bytes of the longest value',
    syntax: 'operation=(AND | OR | XOR | NOT) destkey:key key...',
  },
  {
    name: 'bitpos',
    arity: -3,
    flags: ['readonly'],
    categories: ['bitmap'],
    keys: [keyAt(1, 'RO', 'access')],
    summary: 'Finds the first bit that is set, or clear.',
    since: '2.8.7',
    complexity: 'O(N), N the number of bytes looked at',
    syntax: 'key bit:integer range=[start:integer end-unit=[end:integer unit=[BYTE | BIT]]]',
    history: [['7.0.0', 'Takes BYTE and BIT.']],
  },
  {
    name: 'getbit',
    arity: 3,
    flags: ['readonly', 'fast'],
    categories: ['bitmap'],
    keys: [keyAt(1, 'RO', 'access')],
    summary: 'Gives one bit.',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key offset:integer',
  },
  {
    name: 'setbit',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['bitmap'],
    keys: [keyAt(1, 'RW', 'access', 'update')],
    summary: 'Sets or clears one bit, and gives the one before.',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key offset:integer value:integer',
  },
];
