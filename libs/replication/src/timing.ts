/**
 * The times of the protocol and the relations between them.
 *
 * A primary serves only while it holds a lease from every other required member. A lease counts from the moment its
 * beacon was *sent*; the promise that answers it ("I will not serve or commit as primary before that") counts from
 * the moment the beacon was *received*, which is later, and lasts longer. So by the clocks of both, the lease is over
 * before the promise is, if during one promise the two clocks advance by amounts that differ by less than the gap:
 *
 *     graceMs * (1 - rho) > leaseMs * (1 + rho) + checkSlackMs
 *
 * That inequality is all that reads rest on. No acknowledged write rests on any clock.
 */
import { invariant } from '@diststore/base';

export interface Timing {
  /** Interval of the beacons between a pair of workers. */
  readonly beaconMs: number;
  /** A primary's lease, from sending the beacon. */
  readonly leaseMs: number;
  /** A follower's promise, from receiving the beacon. */
  readonly graceMs: number;
  /** How far the rates of two clocks may be apart from true time, as a fraction. */
  readonly rho: number;
  /** How late a check of the lease may act: timer and scheduling slack. */
  readonly checkSlackMs: number;
  /** Secondaries ask to take over one after the other, this far apart by rank. */
  readonly staggerMs: number;
  /** A secondary that leaves an entry unacknowledged for this long is removed. */
  readonly prepareTimeoutMs: number;
  /** A gap between two turns of the host that counts as its own stall. */
  readonly stallMs: number;
  /** A disagreement between the machine's clocks that counts as a jump. For the host that compares them. */
  readonly clockJumpMs: number;
  /** How long applying committed entries may wait for company. For the host's commit loop. */
  readonly applyDelayMs: number;
  /** A hand-over that has not drained its writes by then is called off. */
  readonly handoverDrainMs: number;
  /** A learner within this many entries of the end is admitted. */
  readonly joinLagEntries: number;
  /** The log is kept at most this long for replicas that catch up. */
  readonly logMaxAgeMs: number;
}

const COMMON = { rho: 0.01, checkSlackMs: 50, applyDelayMs: 20, joinLagEntries: 1000, logMaxAgeMs: 600_000 };

/** The profiles that a cluster is configured with, by name. */
export const TIMINGS = {
  default: {
    ...COMMON,
    beaconMs: 500,
    leaseMs: 2000,
    graceMs: 3000,
    staggerMs: 200,
    prepareTimeoutMs: 3000,
    stallMs: 500,
    clockJumpMs: 200,
    handoverDrainMs: 1000,
  },
  fast: {
    ...COMMON,
    beaconMs: 150,
    leaseMs: 600,
    graceMs: 1000,
    staggerMs: 100,
    prepareTimeoutMs: 1000,
    stallMs: 200,
    clockJumpMs: 100,
    handoverDrainMs: 500,
  },
  slow: {
    ...COMMON,
    beaconMs: 1000,
    leaseMs: 6000,
    graceMs: 9000,
    staggerMs: 500,
    prepareTimeoutMs: 10_000,
    stallMs: 1000,
    clockJumpMs: 300,
    handoverDrainMs: 3000,
  },
} as const satisfies Record<string, Timing>;

/** Every relation that does not hold, as sentences; empty if the times can be used together. */
export function validateTiming(timing: Timing): string[] {
  const problems: string[] = [];
  const { beaconMs, leaseMs, graceMs, rho, checkSlackMs, stallMs, prepareTimeoutMs } = timing;
  for (const [name, value] of Object.entries(timing) as [string, number][]) {
    if (!Number.isFinite(value) || value < 0) problems.push(`${name} is not a number from 0`);
  }
  if (beaconMs < 1) problems.push('beaconMs is below 1');
  if (!(rho < 0.5)) problems.push('rho is not below 0.5');
  if (!promiseOutlastsLease(timing, leaseMs)) {
    problems.push(
      `graceMs (${graceMs}) must exceed leaseMs (${leaseMs}) by the drift of both clocks and checkSlackMs ` +
        `(${checkSlackMs}): more than ${Math.ceil((leaseMs * (1 + rho) + checkSlackMs) / (1 - rho))}`,
    );
  }
  if (leaseMs < 3 * beaconMs)
    problems.push('leaseMs leaves no room for two lost beacons (below 3 * beaconMs)');
  if (stallMs >= leaseMs) problems.push('stallMs is not below leaseMs');
  if (prepareTimeoutMs < leaseMs) problems.push('prepareTimeoutMs is below leaseMs');
  return problems;
}

/** Whether a promise by these times is longer than a lease of `leaseMs`, given by whoever sent it. */
export function promiseOutlastsLease(timing: Timing, leaseMs: number): boolean {
  const { graceMs, rho, checkSlackMs } = timing;
  return graceMs * (1 - rho) > leaseMs * (1 + rho) + checkSlackMs;
}

/** REQUIRES: `validateTiming(timing)` found nothing. */
export function assertTiming(timing: Timing): void {
  const problems = validateTiming(timing);
  invariant(problems.length === 0, 'the times of the protocol fit together', { problems });
}
