/** The options of a worker: one table, from which flags, environment, `--help` and the README's table are read. */
import { VERSION } from '@diststore/base';
import { choice, type ConfigOf, defineOptions, integer, option, port, toggle } from '@diststore/config';
import { processOptions } from '@diststore/process';
import { z } from 'zod';

import { CLIENTS_MAX_DEFAULT, OUTPUT_BYTES_MAX } from './redis/redis-limits.js';
import { REDIS_GATEWAY_PORT_OFFSET, REDIS_PORT_OFFSET } from './redis/start-redis.js';

const MiB = 1024 * 1024;

/** A worker with index i listens on this port plus i. */
export const HTTP_PORT_BASE = 5000;
const INDEX_MAX = 999;
const PORT_MAX = 65_535;

export const workerOptions = defineOptions({
  program: 'nest start worker --',
  summary: 'A diststore worker: keeps the data and answers for it.',
  version: VERSION,
  options: {
    httpPort: option({
      schema: port,
      default: 5001,
      summary: 'Port of the HTTP API',
      group: 'Network',
      positional: true,
    }),
    index: option({
      schema: integer({ min: 1, max: INDEX_MAX }),
      defaultText: 'the HTTP port minus 5000',
      summary: 'Number of this worker in its cluster',
      group: 'Cluster',
    }),
    masterUrl: option({
      schema: z.url({ protocol: /^https?$/ }).describe('an http URL'),
      default: 'http://127.0.0.1:5000',
      summary: 'Where the master is',
      group: 'Cluster',
    }),
    advertisedHost: option({
      schema: z.string().min(1).max(253).describe('a host name or address'),
      defaultText: 'the host',
      summary: 'Host name under which others reach this worker',
      group: 'Cluster',
    }),
    standalone: toggle({
      default: false,
      summary: 'Serve without a master, as a store of one worker; such a store cannot join a cluster later',
      group: 'Cluster',
    }),
    labelHost: option({
      schema: z.string().max(64).describe('up to 64 characters'),
      defaultText: 'the advertised host',
      summary: 'Machine that this worker is on; replicas of a partition avoid sharing one',
      group: 'Cluster',
    }),
    labelZone: option({
      schema: z.string().max(64).describe('up to 64 characters'),
      defaultText: 'none',
      summary: 'Failure zone that this worker is in; replicas of a partition avoid sharing one',
      group: 'Cluster',
    }),
    weight: option({
      schema: integer({ min: 1, max: 1000 }),
      default: 1,
      summary: 'Share of the partitions that this worker takes, relative to the others',
      group: 'Cluster',
    }),
    ...processOptions,
    storage: option({
      schema: choice('level', 'memory'),
      default: 'level',
      summary: 'Keep the data on disk in LevelDB, or in memory only, where nothing survives a restart',
      group: 'Storage',
    }),
    cacheBytes: option({
      schema: integer({ min: MiB }),
      default: 32 * MiB,
      summary: 'Memory for LevelDB blocks read from disk',
      group: 'Storage',
    }),
    recordCacheBytes: option({
      schema: integer({ min: 0 }),
      default: 64 * MiB,
      summary: 'Memory for records that are asked for or written often; 0: none',
      group: 'Storage',
    }),
    writeBufferBytes: option({
      schema: integer({ min: MiB, max: 1024 * MiB }),
      default: 16 * MiB,
      summary: 'Writes that LevelDB gathers in memory and log before it sorts them into a table',
      group: 'Storage',
    }),
    tableCheckBytes: option({
      schema: integer({ min: 0 }),
      default: 256 * MiB,
      summary:
        'Table files whose checksums are verified at the start, newest first; about 400 MiB take a second',
      group: 'Storage',
    }),
    diskReserveBytes: option({
      schema: integer({ min: 0 }),
      default: 256 * MiB,
      summary: 'Free disk space below which new values are refused',
      group: 'Storage',
    }),
    logBudgetBytes: option({
      schema: integer({ min: MiB }),
      default: 256 * MiB,
      summary: 'Log that is kept for replicas that have fallen behind; beyond it they are sent a whole copy',
      group: 'Storage',
    }),
    sweepIntervalMs: option({
      schema: integer({ min: 10, max: 3_600_000 }),
      default: 1000,
      summary: 'Pause between removals of expired values, which readers never see meanwhile',
      group: 'Storage',
    }),
    maxValueBytes: option({
      // A log entry holds the largest value, and must fit one message between workers.
      schema: integer({ min: 1, max: 32 * MiB }),
      default: 16 * MiB,
      summary: 'Largest value',
      group: 'Limits',
    }),
    redisPort: option({
      schema: integer({ min: 0, max: 65_535 }),
      defaultText: 'the HTTP port plus 2000',
      summary: 'Redis port that redirects as a Redis Cluster does; 0: none',
      group: 'Redis',
    }),
    redisGatewayPort: option({
      schema: integer({ min: 0, max: 65_535 }),
      defaultText: 'the HTTP port plus 3000',
      summary: 'Redis port that forwards instead, for clients of a single server; 0: none',
      group: 'Redis',
    }),
    redisAdvertisedHost: option({
      schema: z.string().min(1).max(253).describe('a host name or address'),
      defaultText: 'the advertised host',
      summary: 'Host name under which Redis clients reach this worker; an IPv6 address without brackets',
      group: 'Redis',
    }),
    redisAdvertisedPort: option({
      schema: port,
      defaultText: 'the port itself',
      summary: 'Port under which Redis Cluster clients reach this worker',
      group: 'Redis',
    }),
    redisGatewayAdvertisedPort: option({
      schema: port,
      defaultText: 'the port itself',
      summary: 'Port under which other Redis clients reach this worker',
      group: 'Redis',
    }),
    redisMaxClients: option({
      schema: integer({ min: 1, max: 1_000_000 }),
      default: CLIENTS_MAX_DEFAULT,
      summary: 'Connections to each Redis port; further ones are refused',
      group: 'Redis',
    }),
    redisIdleTimeoutMs: option({
      schema: integer({ min: 0, max: 2_147_483_647 }),
      default: 0,
      summary: 'Silence after which a Redis connection is closed; 0: never',
      group: 'Redis',
    }),
    redisOutputBytes: option({
      schema: integer({ min: MiB }),
      default: OUTPUT_BYTES_MAX,
      summary: 'Replies that a Redis connection may leave unread; past it, it is closed',
      group: 'Redis',
    }),
    legacyGetWrites: toggle({
      default: true,
      summary: 'Whether a plain GET may put, delete and clear, as in the documented usage lines',
      group: 'Limits',
    }),
  },
  check: ({ index, httpPort, redisPort, redisGatewayPort, standalone }) => {
    const problems: string[] = [];
    if (index === undefined && indexOfPort(httpPort) === undefined)
      problems.push(
        `--index: needed, because port ${httpPort} is not ${HTTP_PORT_BASE} plus an index from 1 to ${INDEX_MAX}`,
      );
    if (!standalone && redisPort === undefined && httpPort + REDIS_PORT_OFFSET > PORT_MAX)
      problems.push(`--redis-port: needed, because ${httpPort} plus ${REDIS_PORT_OFFSET} is no port`);
    if (redisGatewayPort === undefined && httpPort + REDIS_GATEWAY_PORT_OFFSET > PORT_MAX)
      problems.push(
        `--redis-gateway-port: needed, because ${httpPort} plus ${REDIS_GATEWAY_PORT_OFFSET} is no port`,
      );
    return problems;
  },
  foreignEnv: [
    'DISTSTORE_WORKERS',
    'DISTSTORE_STOP_WORKERS',
    'DISTSTORE_WORKER_START_TIMEOUT_MS',
    'DISTSTORE_HEARTBEAT_MS',
    'DISTSTORE_SILENT_AFTER_MS',
    'DISTSTORE_PLACEMENT',
    'DISTSTORE_PARTITIONS',
    'DISTSTORE_BOOTSTRAP_EXPECT',
    'DISTSTORE_REPLICATION_FACTOR',
    'DISTSTORE_TIMING',
    'DISTSTORE_REPLACE_AFTER_MS',
  ],
});

export type WorkerConfig = ConfigOf<typeof workerOptions>;

function indexOfPort(httpPort: number): number | undefined {
  const index = httpPort - HTTP_PORT_BASE;
  return index >= 1 && index <= INDEX_MAX ? index : undefined;
}

/** REQUIRES: the table's check has passed. */
export function workerIndexOf(config: WorkerConfig): number {
  return config.index ?? indexOfPort(config.httpPort) ?? 0;
}
