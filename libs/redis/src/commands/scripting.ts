/**
 * What clients send to clear scripts and functions; diststore has none, so these do nothing.
 */
import { helpSubcommand, type CommandSpec } from '../command-spec.js';

export const scriptingCommands: readonly CommandSpec[] = [
  {
    name: 'function',
    arity: -2,
    summary: 'Commands about functions; there are none.',
    since: '7.0.0',
    complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        name: 'flush',
        arity: -2,
        flags: ['write', 'noscript'],
        categories: ['scripting'],
        tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
        summary: 'Deletes all functions.',
        since: '7.0.0',
        complexity: 'O(1)',
        syntax: 'flush-type=[ASYNC | SYNC]',
      },
      helpSubcommand('7.0.0', 'scripting'),
    ],
  },
  {
    name: 'script',
    arity: -2,
    summary: 'Commands about scripts; there are none.',
    since: '2.6.0',
    complexity: 'Depends on the subcommand.',
    subcommands: [
      {
        name: 'flush',
        arity: -2,
        flags: ['noscript'],
        categories: ['scripting'],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        summary: 'Forgets all scripts.',
        since: '2.6.0',
        complexity: 'O(1)',
        syntax: 'flush-type=[ASYNC | SYNC]',
        history: [['6.2.0', 'Takes ASYNC and SYNC.']],
      },
      helpSubcommand('5.0.0', 'scripting'),
    ],
  },
];
