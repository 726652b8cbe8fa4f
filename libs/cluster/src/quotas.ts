/**
 * How many replicas each worker should hold: its fair share, as far as the spread rule allows.
 *
 * The replicas of all partitions are shared over the zones, each zone's over its hosts, each host's over its workers,
 * in proportion to weight, and never above a limit. That is water-filling: who would get more than the limit gets
 * the limit, and the others share the rest. Shares become whole at each level by largest remainder, so the parts of
 * every zone and host add up, and no limit is exceeded by rounding.
 *
 * A share rounds to either of two whole numbers, both fair. The spare units go first to those who hold more than the
 * lower number already: fewer replicas then have to move.
 */
import { invariant } from '@diststore/base';

import type { Topology } from './topology.js';

export interface Claim {
  readonly weight: number;
  /** The most it may get; whole. */
  readonly limit: number;
  /** What it has at present. */
  readonly held: number;
}

/** Shares are exact fractions up to this much rounding of floating point. */
const EPSILON = 1e-6;

/** By position: how many replicas each worker should hold. They add up to `partitionCount * replicaCount`. */
export function quotas(topology: Topology, partitionCount: number, held: readonly number[]): number[] {
  const { zones, replicaCount, zoneLimit } = topology;
  const quota: number[] = topology.workers.map(() => 0);
  const claimOf = (positions: readonly number[], limitPerPartition: number): Claim => ({
    weight: positions.reduce((sum, position) => sum + topology.at(position).weight, 0),
    limit: partitionCount * limitPerPartition,
    held: positions.reduce((sum, position) => sum + (held[position] ?? 0), 0),
  });

  const zoneClaims = zones.map((zone) =>
    claimOf(
      zone.hosts.flatMap((host) => host.workers),
      Math.min(zoneLimit, topology.capacityOfZone(zone)),
    ),
  );
  wholeShares(zoneClaims, partitionCount * replicaCount).forEach((ofZone, z) => {
    const hosts = zones[z]?.hosts ?? [];
    const hostClaims = hosts.map((host) => claimOf(host.workers, topology.capacityOfHost(host)));
    wholeShares(hostClaims, ofZone).forEach((ofHost, h) => {
      const workers = hosts[h]?.workers ?? [];
      const workerClaims = workers.map((position) => claimOf([position], 1));
      wholeShares(workerClaims, ofHost).forEach((share, w) => {
        quota[workers[w] as number] = share;
      });
    });
  });
  return quota;
}

/** Whole shares of `amount`, each within one of the exact share and none above its limit. */
export function wholeShares(claims: readonly Claim[], amount: number): number[] {
  const exact = shares(claims, amount);
  const whole = exact.map((share) => Math.floor(share + EPSILON));
  const spare = amount - whole.reduce((sum, share) => sum + share, 0);
  const fractionOf = (i: number): number => Math.max(0, (exact[i] as number) - (whole[i] as number));
  const holdsMore = (i: number): number => ((claims[i] as Claim).held > (whole[i] as number) ? 1 : 0);
  const takers = claims
    .map((_, i) => i)
    .filter((i) => fractionOf(i) > EPSILON)
    .sort((a, b) => holdsMore(b) - holdsMore(a) || byAmount(fractionOf(b), fractionOf(a)) || a - b);
  invariant(takers.length >= spare, 'the fractions of all shares add up to the spare units', {
    exact,
    amount,
  });
  for (const i of takers.slice(0, spare)) whole[i] = (whole[i] as number) + 1;
  return whole;
}

/** Water-filling: shares of `amount` in proportion to weight, none above its limit. REQUIRES: the limits suffice. */
export function shares(claims: readonly Claim[], amount: number): number[] {
  const filled: number[] = claims.map(() => 0);
  let open = claims.map((_, i) => i);
  let left = amount;
  while (open.length > 0) {
    const weight = open.reduce((sum, i) => sum + (claims[i] as Claim).weight, 0);
    const shareOf = (i: number): number => (left * (claims[i] as Claim).weight) / weight;
    const full = open.filter((i) => shareOf(i) > (claims[i] as Claim).limit + EPSILON);
    if (full.length === 0) {
      for (const i of open) filled[i] = Math.min(shareOf(i), (claims[i] as Claim).limit);
      return filled;
    }
    for (const i of full) {
      filled[i] = (claims[i] as Claim).limit;
      left -= (claims[i] as Claim).limit;
    }
    open = open.filter((i) => !full.includes(i));
  }
  invariant(left <= EPSILON, 'the limits leave room for everything', { left });
  return filled;
}

/** Fractions that differ by rounding only are equal, so that the order of workers decides, not the processor. */
function byAmount(a: number, b: number): number {
  return Math.abs(a - b) <= EPSILON ? 0 : a - b;
}
