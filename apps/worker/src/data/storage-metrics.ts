/** What the store does, as metrics: how many fsyncs, how many writes share one, how long they take. */
import type { StorageObserver } from '@diststore/storage';
import type { Registry } from 'prom-client';
import { Counter, Gauge, Histogram } from 'prom-client';

import type { Keyspace } from './keyspace.js';

/** Seconds: from a fast NVMe disk to one that stalls. */
const FSYNC_BUCKETS_S = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];

export class StorageMetrics implements StorageObserver {
  private readonly rounds = new Histogram({
    name: 'diststore_storage_commit_duration_seconds',
    help: 'Duration of one fsynced batch, which all writes of a round share.',
    buckets: FSYNC_BUCKETS_S,
    registers: [],
  });
  private readonly writes = new Counter({
    name: 'diststore_storage_writes_total',
    help: 'Writes made durable.',
    registers: [],
  });
  private readonly bytes = new Counter({
    name: 'diststore_storage_written_bytes_total',
    help: 'Bytes of keys and rows made durable.',
    registers: [],
  });

  /** @param failed called when the store has failed and the process must end. */
  constructor(readonly failed: (error: Error) => void) {}

  round(round: { writes: number; bytes: number; durationMs: number }): void {
    this.rounds.observe(round.durationMs / 1000);
    this.writes.inc(round.writes);
    this.bytes.inc(round.bytes);
  }

  /** Adds these metrics, and the size of `keyspace`, to what /metrics shows. */
  register(registry: Registry, keyspace: Keyspace): void {
    for (const metric of [this.rounds, this.writes, this.bytes]) registry.registerMetric(metric);
    new Gauge({
      name: 'diststore_keys',
      help: 'Keys stored, those counted that have expired and are not swept yet.',
      registers: [registry],
      collect(): void {
        this.set(keyspace.keys);
      },
    });
    new Gauge({
      name: 'diststore_data_bytes',
      help: 'Bytes of keys and values stored.',
      registers: [registry],
      collect(): void {
        this.set(keyspace.bytes);
      },
    });
  }
}
