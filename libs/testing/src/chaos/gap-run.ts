/**
 * How long writes stand still when a worker goes: one writer for each partition, always asking another worker than the
 * one that is taken away, and the longest time without an acknowledged write in any partition.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';

import { eventually } from '../eventually.js';
import type { HttpClient } from '../http-client.js';
import type { Sandbox } from '../sandbox.js';
import { ChaosCluster } from './chaos-cluster.js';
import { History, type Violation } from './history.js';

export interface GapOptions {
  readonly workers: number;
  readonly replicas: number;
  readonly partitions: number;
  readonly masterFlags: readonly string[];
  readonly log: (line: string) => void;
}

export interface GapStep {
  readonly how: 'kill -9' | 'SIGTERM';
  readonly worker: number;
  readonly longestMs: number;
  readonly partition: number;
  /** Requests that were answered with an error or not at all, whoever they were sent to. */
  readonly failed: number;
  readonly acknowledged: number;
}

export interface GapReport {
  readonly steps: readonly GapStep[];
  readonly violations: readonly Violation[];
}

const WRITE_EVERY_MS = 20;
/** Writes under way of one partition; past it the writer waits. */
const OUTSTANDING_MAX = 500;
const TIMEOUT_MS = 15_000;
/** Longer than any failover may take. */
const WATCH_MS = 8000;
const CALM_MS = 1000;
const KEY_TRIES_MAX = 10_000;

export async function measureGaps(sandbox: Sandbox, options: GapOptions): Promise<GapReport> {
  const cluster = await ChaosCluster.start(sandbox, { ...options, proxied: false });
  const writers = new Writers(cluster, await keysOf(cluster, options.partitions));
  const running = writers.run();
  const steps: GapStep[] = [];
  try {
    for (const how of ['kill -9', 'SIGTERM'] as const) {
      for (const { index } of cluster.nodes()) {
        writers.avoid(index);
        await sleep(CALM_MS);
        const before = { ...writers.counts };
        const fromMs = performance.now();
        if (how === 'kill -9') await cluster.killWorker(index);
        else await cluster.stopWorker(index);
        await sleep(WATCH_MS);
        const [longest] = writers.history.gaps(fromMs, performance.now());
        const step: GapStep = {
          how,
          worker: index,
          longestMs: Math.round(longest?.ms ?? 0),
          partition: longest?.partition ?? -1,
          failed: writers.counts.failed - before.failed,
          acknowledged: writers.counts.acknowledged - before.acknowledged,
        };
        steps.push(step);
        options.log(
          `${how} worker ${index}: longest gap ${step.longestMs} ms, ${step.failed} failed, ${step.acknowledged} acknowledged`,
        );
        await cluster.startWorker(index);
        await cluster.untilFullService();
        writers.avoid(undefined);
      }
    }
    writers.stop();
    await running;
    await writers.readBack();
    return { steps, violations: writers.history.violations() };
  } finally {
    writers.stop();
    await running;
    await cluster.close();
  }
}

/** A key for each partition. */
async function keysOf(cluster: ChaosCluster, partitions: number): Promise<Map<number, string>> {
  const keys = new Map<number, string>();
  const [node] = cluster.nodes();
  for (let i = 0; keys.size < partitions && i < KEY_TRIES_MAX; i += 1) {
    const answer = await node?.http.put(`/v1/kv/gap-${i}`, '0');
    const { partition } = answer?.json() as { partition: number };
    if (!keys.has(partition)) keys.set(partition, `gap-${i}`);
  }
  return keys;
}

class Writers {
  readonly history = new History();
  readonly counts = { acknowledged: 0, failed: 0 };
  private avoided: number | undefined;
  private stopping = false;
  private nextValue = 1;
  private nextNode = 0;

  constructor(
    private readonly cluster: ChaosCluster,
    private readonly keys: ReadonlyMap<number, string>,
  ) {}

  avoid(worker: number | undefined): void {
    this.avoided = worker;
  }

  stop(): void {
    this.stopping = true;
  }

  async run(): Promise<void> {
    await Promise.all([...this.keys].map(([partition, key]) => this.writer(partition, key)));
  }

  /** The last value of each key must be what its history allows. */
  async readBack(): Promise<void> {
    for (const [partition, key] of this.keys) {
      const call = performance.now();
      const answer = await eventually(`${key} can be read`, async () => {
        const read = await this.node().get(`/v1/kv/${key}`);
        return read.status === 200 && read;
      });
      const value = Number(answer.text);
      const end = performance.now();
      this.history.add({
        ...{ key, call, end, type: 'read', value, expected: 0, certain: true },
        ...{ client: 0, worker: 0, partition },
      });
    }
  }

  private node(): HttpClient {
    const nodes = this.cluster.nodes().filter(({ index }) => index !== this.avoided);
    this.nextNode += 1;
    return (nodes[this.nextNode % nodes.length] as (typeof nodes)[number]).http;
  }

  private async writer(partition: number, key: string): Promise<void> {
    const outstanding = new Set<Promise<void>>();
    while (!this.stopping) {
      const write = this.write(partition, key).finally(() => outstanding.delete(write));
      outstanding.add(write);
      if (outstanding.size >= OUTSTANDING_MAX) await Promise.race(outstanding);
      await sleep(WRITE_EVERY_MS);
    }
    await Promise.all(outstanding);
  }

  private async write(partition: number, key: string): Promise<void> {
    const value = this.nextValue++;
    const call = performance.now();
    const what = { key, call, type: 'write', value, expected: 0, client: 0, worker: 0 } as const;
    let status = 0;
    try {
      ({ status } = await this.node().put(`/v1/kv/${key}`, `${value}`, { timeoutMs: TIMEOUT_MS }));
    } catch {
      // Unknown, as any answer but those below.
    }
    if (status === 200 || status === 201) {
      this.counts.acknowledged += 1;
      this.history.add({ ...what, end: performance.now(), certain: true, partition });
      return;
    }
    this.counts.failed += 1;
    if (status === 503) this.history.addFailure(status);
    else this.history.add({ ...what, end: Infinity, certain: false, partition });
  }
}
