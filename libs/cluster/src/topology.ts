/**
 * Where workers stand: zones, hosts in them, workers on those; and how far one partition's replicas have to spread.
 *
 * The spread rule is a number per level: no host may hold more than `hostLimit` replicas of one partition, no zone
 * more than `zoneLimit`. Each is the smallest number under which all replicas find a place: 1 while there are enough
 * hosts (zones), more where there are too few or where they are too unequal. No worker ever holds two.
 *
 * Workers are numbered here by position, 0 to N-1 in order of index, so that the algorithms use plain arrays and
 * depend on nothing but their input. Hosts of different zones are different hosts, whatever their labels.
 */
import { invariant } from '@diststore/base';

import type { WorkerIndex } from './ids.js';

export interface PlacementWorker {
  readonly index: WorkerIndex;
  /** The share it takes, relative to the others; above 0. */
  readonly weight: number;
  readonly labels: { readonly host: string; readonly zone: string };
}

export interface Zone {
  readonly hosts: readonly Host[];
}

export interface Host {
  /** Positions. */
  readonly workers: readonly number[];
}

/** A replica too many on one host weighs more than any number of them in a zone (a partition has 9 at most). */
const HOST_EXCESS = 10;

export class Topology {
  readonly workers: readonly PlacementWorker[];
  readonly zones: readonly Zone[];
  /** How many replicas each partition gets: fewer than asked for if there are fewer workers. */
  readonly replicaCount: number;
  readonly hostLimit: number;
  readonly zoneLimit: number;
  /** By position. */
  private readonly hostOf: number[] = [];
  private readonly zoneOf: number[] = [];
  private readonly positions = new Map<WorkerIndex, number>();

  /** REQUIRES: no index twice, positive weights. */
  constructor(workers: readonly PlacementWorker[], replicationFactor: number) {
    this.workers = [...workers].sort((a, b) => a.index - b.index);
    this.workers.forEach((worker, position) => this.positions.set(worker.index, position));
    invariant(this.positions.size === workers.length, 'workers to place on are all different');
    invariant(
      workers.every(({ weight }) => weight > 0),
      'every weight is above 0',
    );
    this.replicaCount = Math.min(replicationFactor, workers.length);

    const positions = this.workers.map((_, position) => position);
    this.zones = this.groupBy(positions, 'zone').map((inZone) => ({
      hosts: this.groupBy(inZone, 'host').map((onHost) => ({ workers: onHost })),
    }));
    let hostNumber = 0;
    this.zones.forEach((zone, zoneNumber) => {
      for (const host of zone.hosts) {
        for (const position of host.workers) {
          this.zoneOf[position] = zoneNumber;
          this.hostOf[position] = hostNumber;
        }
        hostNumber++;
      }
    });
    const hosts = this.zones.flatMap((zone) => zone.hosts);
    this.hostLimit = spreadLimit(
      hosts.map((host) => host.workers.length),
      this.replicaCount,
    );
    this.zoneLimit = spreadLimit(
      this.zones.map((zone) => this.capacityOfZone(zone)),
      this.replicaCount,
    );
  }

  positionOf(index: WorkerIndex): number | undefined {
    return this.positions.get(index);
  }

  indexOf(position: number): WorkerIndex {
    return this.at(position).index;
  }

  at(position: number): PlacementWorker {
    const worker = this.workers[position];
    invariant(worker !== undefined, 'the position is that of a worker', { position });
    return worker;
  }

  /** How many replicas of one partition a host can take. */
  capacityOfHost(host: Host): number {
    return Math.min(this.hostLimit, host.workers.length);
  }

  /** How many replicas of one partition a zone can take, by its hosts. */
  capacityOfZone(zone: Zone): number {
    return zone.hosts.reduce((sum, host) => sum + this.capacityOfHost(host), 0);
  }

  /** How much worse than allowed these replicas of one partition are spread: 0 if the rule is kept. */
  excessOf(members: readonly number[]): number {
    let excess = 0;
    for (let i = 0; i < members.length; i++) excess += this.excessOfJoining(members, members[i] as number, i);
    return excess;
  }

  /** What a replica on `joining` would add to the excess of the first `count` members, whom it is not among. */
  excessOfJoining(members: readonly number[], joining: number, count = members.length): number {
    let onHost = 0;
    let inZone = 0;
    for (let i = 0; i < count; i++) {
      const member = members[i] as number;
      if (this.hostOf[member] === this.hostOf[joining]) onHost++;
      if (this.zoneOf[member] === this.zoneOf[joining]) inZone++;
    }
    return (onHost >= this.hostLimit ? HOST_EXCESS : 0) + (inZone >= this.zoneLimit ? 1 : 0);
  }

  private groupBy(positions: readonly number[], label: 'host' | 'zone'): number[][] {
    const groups = new Map<string, number[]>();
    for (const position of positions) {
      const name = this.at(position).labels[label];
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [position]);
      else group.push(position);
    }
    return [...groups.values()];
  }
}

/** The smallest limit per group under which groups that can take this many hold `needed` together. */
export function spreadLimit(capacities: readonly number[], needed: number): number {
  let limit = 1;
  const room = (): number => capacities.reduce((sum, capacity) => sum + Math.min(limit, capacity), 0);
  while (room() < needed && limit < needed) limit++;
  return limit;
}
