/** What the parts of a simulated cluster share: time, chance, network, the observer. */
import type { Effect, ReplicaEvent } from '@diststore/replication';

import type { Checker } from './checker.js';
import type { Network } from './network.js';
import type { Profile } from './profile.js';
import type { SeededRandom } from './random.js';
import type { VirtualTime } from './virtual-time.js';
import type { WorkerView } from './worker-view.js';

/** Told of every step of every replica. */
export type Tracer = (
  worker: WorkerView,
  partition: number,
  event: ReplicaEvent,
  effects: readonly Effect[],
) => void;

/** Mistakes that a host could make; see bugs.ts. */
export type HostMistake =
  | 'blindSweep'
  | 'leavesWhenAllStop'
  | 'dropsMembers'
  | 'erasesFirst'
  | 'trustsClocks'
  | 'forgetsRequests'
  | 'neverStays'
  | 'silentWhileCounted'
  | 'erasesLearners';

export interface World {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly network: Network;
  readonly checker: Checker;
  readonly partitionCount: number;
  readonly workerCount: number;
  /** From here on no client asks anything new. */
  readonly clientsStopped: boolean;
  /** What a host does wrong on purpose. */
  readonly mistake: HostMistake | undefined;
  stepped: Tracer;
  trace(line: () => string): void;
}
