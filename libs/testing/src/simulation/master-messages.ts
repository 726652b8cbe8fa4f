/** What a worker and the master of a simulated cluster say to each other, besides proposals. */
import type { Configuration, Generation, StoreId, StoreStart, Target, WorkerIndex } from '@diststore/cluster';

export interface Hello {
  readonly worker: WorkerIndex;
  readonly store: StoreId;
  readonly boot: number;
  readonly nonce: string;
  readonly earlier: readonly StoreStart[];
  readonly fence: Generation;
  readonly known: ReadonlyMap<number, Configuration>;
}

export interface HelloAnswer {
  /** This process may not act as the worker it says it is. */
  readonly isRefused: boolean;
  readonly configurations: ReadonlyMap<number, Configuration>;
  readonly targets: ReadonlyMap<number, Target>;
  /** Refuse older generations, and say hello again with what you know. */
  readonly fence: Generation;
}
