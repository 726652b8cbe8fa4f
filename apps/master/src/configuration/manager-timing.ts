/** The times of the configuration manager, by the profile that the cluster runs with (timing.ts of libs/replication). */
import type { TimingName } from '@diststore/cluster';

export interface ManagerTiming {
  /** After a start no proposal is taken before every worker has reported, or this has passed. */
  readonly startupQuietMs: number;
  /** A worker gone for so long is replaced, if --replace-after-ms says nothing else. */
  readonly replaceAfterMs: number;
}

export const MANAGER_TIMINGS: Readonly<Record<TimingName, ManagerTiming>> = {
  default: { startupQuietMs: 3000, replaceAfterMs: 300_000 },
  fast: { startupQuietMs: 1500, replaceAfterMs: 60_000 },
  slow: { startupQuietMs: 6000, replaceAfterMs: 900_000 },
};
