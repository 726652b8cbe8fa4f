/**
 * CONFIG: the settings that clients and tools ask for, with Redis's names. Most of them tell how diststore is; a few
 * may be set, for this listener and until it ends.
 */
import { parseInt64 } from '@diststore/base';
import { type ErrorReply, errorReply, Glob } from '@diststore/redis';
import type { RedisPort } from './implementation.js';

interface Setting {
  readonly name: string;
  readonly get: (port: RedisPort) => string;
  /** Absent: it cannot be set. */
  readonly set?: (port: RedisPort, value: number) => void;
}

function fixed(name: string, value: string): Setting {
  return { name, get: () => value };
}

const SETTINGS: readonly Setting[] = [
  // What redis-benchmark and monitoring read: everything is on disk before it is acknowledged.
  fixed('save', ''),
  fixed('appendonly', 'yes'),
  fixed('appendfsync', 'always'),
  fixed('databases', '1'),
  fixed('maxmemory', '0'),
  fixed('maxmemory-policy', 'noeviction'),
  fixed('notify-keyspace-events', ''),
  fixed('requirepass', ''),
  fixed('lua-time-limit', '5000'),
  { name: 'cluster-enabled', get: ({ mode }) => (mode === 'cluster' ? 'yes' : 'no') },
  { name: 'port', get: ({ port }) => String(port) },
  { name: 'proto-max-bulk-len', get: ({ requestLimits }) => String(requestLimits.bulkBytesMax) },
  {
    name: 'maxclients',
    get: ({ maxClients }) => String(maxClients),
    set: (port, value) => (port.maxClients = value),
  },
  {
    name: 'timeout',
    get: ({ idleTimeoutMs }) => String(Math.round(idleTimeoutMs / 1000)),
    set: (port, value) => (port.idleTimeoutMs = value * 1000),
  },
  {
    name: 'slowlog-log-slower-than',
    get: ({ slowLog }) => String(slowLog.thresholdUs),
    set: ({ slowLog }, value) => (slowLog.thresholdUs = value),
  },
  {
    name: 'slowlog-max-len',
    get: ({ slowLog }) => String(slowLog.lengthMax),
    set: ({ slowLog }, value) => (slowLog.lengthMax = Math.min(value, SLOW_LOG_LENGTH_MAX)),
  },
  fixed('latency-monitor-threshold', '0'),
];

const SLOW_LOG_LENGTH_MAX = 10_000;
const VALUE_MAX = 1_000_000_000;

/** The settings that any of these patterns names, each once. */
export function settingsMatching(port: RedisPort, patterns: readonly Buffer[]): [string, string][] {
  const globs = patterns.flatMap((pattern) => Glob.compile(pattern, { ignoreCase: true }) ?? []);
  return SETTINGS.filter(({ name }) => globs.some((glob) => glob.matches(Buffer.from(name)))).map(
    ({ name, get }) => [name, get(port)],
  );
}

/** Sets all, or none: then answers why. REQUIRES: as many values as names. */
export function applySettings(port: RedisPort, words: readonly Buffer[]): ErrorReply | undefined {
  const chosen = new Map<Setting, number>();
  for (let i = 0; i < words.length; i += 2) {
    const name = (words[i] as Buffer).toString().toLowerCase();
    const setting = SETTINGS.find((known) => known.name === name);
    if (setting === undefined)
      return errorReply(
        `ERR Unknown option or number of arguments for CONFIG SET - '${(words[i] as Buffer).toString()}'`,
      );
    if (setting.set === undefined) return failure(name, "can't set immutable config");
    if (chosen.has(setting)) return failure(name, 'duplicate parameter');
    const value = parseInt64(words[i + 1] as Buffer);
    if (typeof value !== 'number') return failure(name, "argument couldn't be parsed into an integer");
    const least = name === 'slowlog-log-slower-than' ? -1 : name === 'maxclients' ? 1 : 0;
    if (value < least || value > VALUE_MAX)
      return failure(name, `argument must be between ${least} and ${VALUE_MAX} inclusive`);
    chosen.set(setting, value);
  }
  for (const [setting, value] of chosen) setting.set?.(port, value);
  return undefined;
}

function failure(name: string, why: string): ErrorReply {
  return errorReply(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`);
}
