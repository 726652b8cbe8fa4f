/** The options of the master: one table, from which flags, environment, `--help` and the README's table are read. */
import { VERSION } from '@diststore/base';
import { isClusterId, PARTITION_COUNT_MAX, REPLICATION_FACTOR_MAX, TIMING_NAMES } from '@diststore/cluster';
import { choice, type ConfigOf, defineOptions, integer, option, port, toggle } from '@diststore/config';
import { processOptions } from '@diststore/process';
import { z } from 'zod';

import { DEFAULT_REPLICATION_FACTOR } from './cluster/formation.js';

export const masterOptions = defineOptions({
  program: 'nest start master --',
  summary: 'The diststore master: keeps the cluster together and starts workers. It is not on the data path.',
  version: VERSION,
  options: {
    httpPort: option({
      schema: port,
      default: 5000,
      summary: 'Port of the HTTP API; worker i that it starts listens on this plus i',
      group: 'Network',
      positional: true,
    }),
    workers: option({
      schema: integer({ min: 0, max: 999 }),
      default: 0,
      summary: 'Workers 1 to this number are started with the master',
      group: 'Cluster',
    }),
    stopWorkers: toggle({
      default: false,
      summary: 'Whether an orderly stop of the master also stops the workers that it started',
      group: 'Cluster',
    }),
    placement: option({
      schema: choice('hashed', 'local'),
      default: 'hashed',
      summary:
        'Where a value is kept: on the worker that its key falls to, or on the very worker that is asked. Fixed when the cluster is formed',
      group: 'Cluster',
    }),
    partitions: option({
      schema: integer({ min: 1, max: PARTITION_COUNT_MAX }),
      default: 64,
      summary: 'Partitions that the keys are divided into. Fixed when the cluster is formed',
      group: 'Cluster',
    }),
    replicationFactor: option({
      schema: integer({ min: 1, max: REPLICATION_FACTOR_MAX }),
      defaultText: `${DEFAULT_REPLICATION_FACTOR}, or as it was`,
      summary: 'Workers that hold each partition, if there are as many. May be changed at any start',
      group: 'Cluster',
    }),
    clusterId: option({
      schema: z.string().refine(isClusterId).describe('32 hexadecimal digits'),
      defaultText: 'a new one',
      summary:
        'Takes over this cluster, whose master has lost its data; with an empty directory, and the same partitions',
      group: 'Cluster',
    }),
    timing: option({
      schema: choice(...TIMING_NAMES),
      default: 'default',
      summary: 'How soon a silent worker loses its part: fast on a quiet machine, slow on a busy network',
      group: 'Cluster',
    }),
    replaceAfterMs: option({
      schema: integer({ min: 1000, max: 604_800_000 }),
      defaultText: '300000; fast: 60000, slow: 900000',
      summary: 'A worker silent for so long is replaced: others take copies of what it held',
      group: 'Cluster',
    }),
    bootstrapExpect: option({
      schema: integer({ min: 1, max: 999 }),
      defaultText: 'the number of --workers, or 1',
      summary: 'Workers to wait for before the partitions are spread over them, once',
      group: 'Cluster',
    }),
    workerStartTimeoutMs: option({
      schema: integer({ min: 100, max: 600_000 }),
      default: 15_000,
      summary: 'Longest time that a new worker may take until it serves',
      group: 'Cluster',
    }),
    heartbeatMs: option({
      schema: integer({ min: 50, max: 60_000 }),
      default: 1000,
      summary: 'How often workers report',
      group: 'Cluster',
    }),
    silentAfterMs: option({
      schema: integer({ min: 100, max: 600_000 }),
      default: 3000,
      summary: 'A worker that has not reported for so long counts as silent',
      group: 'Cluster',
    }),
    ...processOptions,
  },
  check: ({ heartbeatMs, silentAfterMs }) =>
    heartbeatMs * 2 > silentAfterMs
      ? [
          `--silent-after-ms: ${silentAfterMs} must be at least twice --heartbeat-ms, ${heartbeatMs}: one report may be late`,
        ]
      : [],
  // A worker that the master starts inherits its environment.
  foreignEnv: [
    'DISTSTORE_STORAGE',
    'DISTSTORE_CACHE_BYTES',
    'DISTSTORE_WRITE_BUFFER_BYTES',
    'DISTSTORE_TABLE_CHECK_BYTES',
    'DISTSTORE_DISK_RESERVE_BYTES',
    'DISTSTORE_SWEEP_INTERVAL_MS',
    'DISTSTORE_MAX_VALUE_BYTES',
    'DISTSTORE_LEGACY_GET_WRITES',
    'DISTSTORE_ADVERTISED_HOST',
    'DISTSTORE_LABEL_HOST',
    'DISTSTORE_LABEL_ZONE',
    'DISTSTORE_WEIGHT',
    'DISTSTORE_REDIS_PORT',
    'DISTSTORE_REDIS_GATEWAY_PORT',
    'DISTSTORE_REDIS_ADVERTISED_HOST',
    'DISTSTORE_REDIS_ADVERTISED_PORT',
    'DISTSTORE_REDIS_GATEWAY_ADVERTISED_PORT',
    'DISTSTORE_REDIS_MAX_CLIENTS',
    'DISTSTORE_REDIS_IDLE_TIMEOUT_MS',
    'DISTSTORE_REDIS_OUTPUT_BYTES',
  ],
});

export type MasterConfig = ConfigOf<typeof masterOptions>;
