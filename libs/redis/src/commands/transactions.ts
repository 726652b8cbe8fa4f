/**
 * Commands that run others as one.
 */
import type { CommandSpec } from '../command-spec.js';
import { keysFrom } from '../key-spec.js';

export const transactionCommands: readonly CommandSpec[] = [
  {
    name: 'discard',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    summary: 'Forgets the queued commands of a transaction.',
    since: '2.0.0',
    complexity: 'O(N), N the number of queued commands',
  },
  {
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    categories: ['transaction'],
    summary: 'Runs the queued commands as one.',
    since: '1.2.0',
    complexity: 'Depends on the queued commands.',
  },
  {
    name: 'multi',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    summary: 'Begins a transaction: commands are queued until EXEC.',
    since: '1.2.0',
    complexity: 'O(1)',
  },
  {
    name: 'unwatch',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    summary: 'Forgets the watched keys.',
    since: '2.2.0',
    complexity: 'O(1)',
  },
  {
    name: 'watch',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    keys: [keysFrom(1, { lastKey: -1, keyStep: 1 }, 'RO')],
    summary: 'Makes the next transaction fail if one of these keys changes before it.',
    since: '2.2.0',
    complexity: 'O(N), N the number of keys',
    syntax: 'key...',
  },
];
