/**
 * How a command is described: the form of the data in commands/. Names, flags and categories are Redis's, so that
 * clients which read COMMAND understand them. command.ts completes a description for use.
 *
 * Source: https://redis.io/docs/latest/commands/command/ and, for the entries, COMMAND INFO of redis-server 7.
 */
import type { KeySpec } from './key-spec.js';

/** In the order in which Redis reports them. */
export const COMMAND_FLAGS = [
  'write', // may change data
  'readonly', // reads data, never changes it
  'denyoom', // may need space: refused when there is none
  'admin',
  'pubsub',
  'noscript',
  'blocking',
  'loading', // allowed before the data is ready
  'stale', // allowed on data that may be out of date
  'skip_monitor',
  'skip_slowlog',
  'asking',
  'fast', // constant or logarithmic time
  'no_auth', // allowed before authentication
  'may_replicate',
  'sentinel',
  'only_sentinel',
  'no_mandatory_keys',
  'movablekeys', // computed: keys not told by first/last/step
  'protected',
  'no_async_loading',
  'no_multi', // refused inside MULTI
  'allow_busy',
] as const;
export type CommandFlag = (typeof COMMAND_FLAGS)[number];

export const ACL_CATEGORIES = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
] as const;
export type AclCategory = (typeof ACL_CATEGORIES)[number];

export type CommandGroup =
  | 'generic'
  | 'string'
  | 'bitmap'
  | 'connection'
  | 'server'
  | 'cluster'
  | 'transactions'
  | 'scripting';

export interface CommandSpec {
  /** In lower case. A subcommand's own word: `setname`, not `client|setname`. */
  readonly name: string;
  /** Number of arguments with the name (and, for a subcommand, its container's); at least -arity when negative. */
  readonly arity: number;
  readonly flags?: readonly CommandFlag[];
  /** Besides those that follow from the flags: see `impliedCategories` in command.ts. */
  readonly categories?: readonly AclCategory[];
  readonly keys?: readonly KeySpec[];
  /** Hints for clients, for example how to ask every node: https://redis.io/docs/reference/command-tips/ */
  readonly tips?: readonly string[];
  readonly summary: string;
  /** The Redis version that introduced it, or, where Redis has no such command, the Valkey version. */
  readonly since: string;
  readonly complexity: string;
  /** The arguments in the notation of argument-syntax.ts; empty when there are none. */
  readonly syntax?: string;
  readonly history?: readonly (readonly [version: string, change: string])[];
  readonly deprecated?: { readonly since: string; readonly replacedBy: string };
  readonly subcommands?: readonly CommandSpec[];
}

/** HELP, which every container has; its answer is made from the container's description. */
export function helpSubcommand(since: string, ...categories: AclCategory[]): CommandSpec {
  return {
    name: 'help',
    arity: 2,
    flags: ['loading', 'stale'],
    categories,
    summary: 'Lists the subcommands.',
    since,
    complexity: 'O(1)',
  };
}
