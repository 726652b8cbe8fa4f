/**
 * Partitions of one worker for tests: real replicas, each the only one of its partition, and no network. The host is
 * not started: no time passes by itself, and nothing happens that was not asked for.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { ClusterMap, Member } from '@diststore/cluster';
import { generation } from '@diststore/cluster';
import { TIMINGS } from '@diststore/replication';
import { MemoryStorage, type Storage } from '@diststore/storage';
import { clusterMap, hashedSettings, memberNumber, partitionOn, workerNumber } from '@diststore/testing';

import type { MachineClocks } from '../src/replication/clock-sanity.js';
import { ReplicaHost } from '../src/replication/replica-host.js';
import { ReplicatedPartitions } from '../src/replication/replicated-partitions.js';
import type { WriteLimits } from '../src/replication/write-call.js';

export interface PartitionsInMemory {
  /** Default: 1. */
  readonly self?: Member;
  readonly map: ClusterMap;
  readonly limits: WriteLimits;
  readonly storage?: Storage;
  /**
   * Milliseconds since the Unix epoch. Default: the machine's. The other clocks of the machine go with it, but never
   * back, so setting it back by more than `clockJumpMs` is noticed as a jump.
   */
  readonly wallNowMs?: () => number;
  /** Above 1 the store was used before, by a host that was closed since. Default: 1. */
  readonly boot?: number;
  readonly recordCacheBytes?: number;
  /** Told what would end the process. Default: throws it. */
  readonly fatal?: (error: unknown) => void;
}

/** Rows 01 are on the disk long before. */
const SERVING_WAIT_MS = 10_000;

export const SELF: Member = memberNumber(1);

/** Opens what `map` gives to `self`, and waits until it may be read and written. The caller closes the host. */
export async function partitionsInMemory({
  self = SELF,
  map,
  limits,
  storage = new MemoryStorage(),
  wallNowMs,
  boot = 1,
  recordCacheBytes = 1024 * 1024,
  fatal = throwAgain,
}: PartitionsInMemory): Promise<{ host: ReplicaHost; partitions: ReplicatedPartitions }> {
  const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const host = await ReplicaHost.open({
    storage,
    worker: self.worker,
    store: self.store,
    boot,
    isNewStore: boot === 1,
    fence: generation(1),
    timing: TIMINGS.default,
    network: { start: () => undefined, send: () => undefined, hold: () => undefined },
    propose: () => Promise.reject(new Error('there is no master')),
    canPropose: () => Promise.resolve(false),
    isMasterReachable: () => false,
    refreshMap: () => Promise.resolve(),
    readElsewhere: () => Promise.reject(new Error('there is nobody else')),
    logBudgetBytes: 1024 * 1024,
    logMemoryBudgetBytes: 1024 * 1024,
    recordCacheBytes,
    random: Math.random,
    observer: {},
    log: quiet,
    fatal,
    clocks: wallNowMs === undefined ? MACHINE : clocksWith(wallNowMs),
  });
  const partitions = new ReplicatedPartitions(host, { storage, limits, wallNowMs: wallNowMs ?? Date.now });
  partitions.adopt(map);
  const deadline = performance.now() + SERVING_WAIT_MS;
  while (!serves(host)) {
    if (performance.now() > deadline) throw new Error('the partitions do not begin to serve');
    await nextTurn();
  }
  return { host, partitions };
}

/** Whether all that lead here may serve. */
function serves(host: ReplicaHost): boolean {
  const { nowMs } = host.driver.moment();
  for (const { replica } of host.leading()) if (replica?.mayServe(nowMs) !== true) return false;
  return true;
}

const MACHINE: MachineClocks = {
  monotonicNowMs: () => performance.now(),
  wallNowMs: Date.now,
  uptimeMs: () => performance.now(),
  uptimeGrainMs: 1,
};

/** The clocks of a machine whose wall clock is `wallNowMs`. */
function clocksWith(wallNowMs: () => number): MachineClocks {
  let newestMs = 0;
  const monotonicNowMs = (): number => (newestMs = Math.max(newestMs, wallNowMs()));
  return { monotonicNowMs, wallNowMs, uptimeMs: monotonicNowMs, uptimeGrainMs: 1 };
}

function throwAgain(error: unknown): never {
  throw error instanceof Error ? error : new Error(String(error));
}

/** A map with `count` partitions, each on `primary` alone since `version`. */
export function mapOnOne(primary: Member, count: number, version = 1): ClusterMap {
  return clusterMap({
    version,
    settings: hashedSettings({ partitionCount: count }),
    workers: [1, 2, 3].map((index) => workerNumber(index)),
    partitions: Array.from({ length: count }, (_unused, number) => partitionOn(primary, number, version)),
  });
}
