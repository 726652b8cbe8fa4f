/**
 * Which workers should hold which partitions: evenly by weight, apart by host and zone, and with as few moves as
 * that allows. Deterministic, so that planning again from the same state plans the same.
 *
 *   1. Quotas   how many replicas each worker should hold (quotas.ts). Where a share rounds to either of two numbers,
 *               the choice is made anew after filling, when it costs least.
 *   2. Keep     replicas on workers that are still there stay; surplus ones, after a lower replication factor, go.
 *   3. Fill     partitions with the fewest replicas first, each from the worker that harms the spread least, is
 *               below its quota, and holds least for its weight.
 *   4. Rebalance while some worker is above its quota and another below, one replica moves from the first to the
 *               second, or, where the spread forbids every such move, several move along a shortest path over workers
 *               in between: an augmenting path, as in bipartite matching.
 *   5. Repair   what still breaks the spread rule, by exchanging replicas of two partitions; counts stay.
 *   6. Primaries (primaries.ts).
 *
 * Bounds. Every direct move lowers the total surplus over the quotas by one, so rebalancing moves the surplus and no
 * more, and less is impossible with these quotas. Hence a worker that joins a balanced cluster of equals receives its
 * quota and nothing else moves, and when one leaves its replicas are placed anew and nothing else moves; except that
 * a replica whose partition all workers with room hold already displaces another one. Labels can force detours: a
 * path costs one move more for each worker in between, an exchange two.
 *
 * The search for paths and exchanges is bounded by EFFORT_MAX; beyond, the layout found so far is the answer, which
 * is valid but may be less even, and the next planning goes on from there.
 */
import { invariant } from '@diststore/base';

import type { WorkerIndex } from './ids.js';
import { Layout } from './layout.js';
import { choosePrimaries } from './primaries.js';
import { quotas } from './quotas.js';
import { Topology } from './topology.js';
import type { PlacementWorker } from './topology.js';

/** Where one partition is meant to be. */
export interface Placed {
  readonly replicas: readonly WorkerIndex[];
  readonly preferredPrimary: WorkerIndex;
}

export interface PlacementInput {
  /** Those that may hold replicas; at least one. */
  readonly workers: readonly PlacementWorker[];
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** By partition: where it is meant to be so far, if anywhere. */
  readonly current: readonly (Placed | undefined)[];
}

export interface PlacementPlan {
  /** By partition. */
  readonly placed: readonly Placed[];
  /** Replicas on workers that did not have them: data to copy. */
  readonly movedReplicas: number;
  /** Partitions whose preferred primary changed or is their first. */
  readonly handOvers: number;
  /** Partitions whose replicas share a host or zone more than the spread rule allows. */
  readonly crowdedPartitions: number;
}

/** Checks of a possible move. About a second's worth; a change of one worker takes some thousands. */
const EFFORT_MAX = 10_000_000;

export function place(input: PlacementInput): PlacementPlan {
  invariant(input.workers.length > 0, 'there is a worker to place on');
  const topology = new Topology(input.workers, input.replicationFactor);
  const before = Array.from({ length: input.partitionCount }, (_, p) =>
    survivors(topology, input.current[p]),
  );
  const leaders = before.map((_, p) => positionOf(topology, input.current[p]?.preferredPrimary));
  const layout = new Layout(topology, before, leaders);
  new Balancer(layout).run();

  const { members } = layout;
  const primaries = choosePrimaries({
    weights: topology.workers.map(({ weight }) => weight),
    members,
    current: leaders,
  });
  const placed = members.map((positions, p) => ({
    replicas: positions.map((position) => topology.indexOf(position)),
    preferredPrimary: topology.indexOf(primaries[p] as number),
  }));
  return {
    placed,
    movedReplicas: layout.movedCount,
    handOvers: placed.filter((now, p) => now.preferredPrimary !== input.current[p]?.preferredPrimary).length,
    crowdedPartitions: members.filter((positions) => topology.excessOf(positions) > 0).length,
  };
}

function survivors(topology: Topology, placed: Placed | undefined): number[] {
  const positions = (placed?.replicas ?? []).map((index) => topology.positionOf(index));
  return positions.filter((position) => position !== undefined);
}

function positionOf(topology: Topology, index: WorkerIndex | undefined): number | undefined {
  return index === undefined ? undefined : topology.positionOf(index);
}

interface Move {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

class Balancer {
  private readonly topology: Topology;
  private quota: readonly number[];
  private readonly all: readonly number[];
  private effort = 0;

  constructor(private readonly layout: Layout) {
    this.topology = layout.topology;
    this.quota = this.quotas();
    this.all = this.topology.workers.map((_, position) => position);
  }

  run(): void {
    this.trim();
    this.fill();
    this.quota = this.quotas();
    this.rebalance();
    this.repair();
  }

  private quotas(): number[] {
    return quotas(this.topology, this.layout.members.length, this.layout.counts());
  }

  /** Above the quota if positive, below it if negative. */
  private surplusOf(position: number): number {
    return this.layout.countOf(position) - (this.quota[position] as number);
  }

  private trim(): void {
    this.layout.members.forEach((members, p) => {
      while (members.length > this.topology.replicaCount) {
        const [fullest] = [...members].sort((a, b) => this.surplusOf(b) - this.surplusOf(a) || a - b);
        this.layout.remove(p, fullest as number);
      }
    });
  }

  private fill(): void {
    const { members } = this.layout;
    const missing = members.map((_, p) => p).filter((p) => this.missingOf(p) > 0);
    missing.sort((a, b) => this.missingOf(b) - this.missingOf(a) || a - b);
    for (const p of missing) {
      while (this.missingOf(p) > 0) this.layout.add(p, this.bestFor(p));
    }
  }

  private missingOf(partition: number): number {
    return this.topology.replicaCount - this.layout.membersOf(partition).length;
  }

  private bestFor(partition: number): number {
    const members = this.layout.membersOf(partition);
    let best = -1;
    let bestExcess = Infinity;
    let bestFull = Infinity;
    let bestLoad = Infinity;
    for (const position of this.all) {
      if (members.includes(position)) continue;
      const excess = this.topology.excessOfJoining(members, position);
      const full = this.surplusOf(position) >= 0 ? 1 : 0;
      const load = this.layout.countOf(position) / this.topology.at(position).weight;
      const order = excess - bestExcess || full - bestFull || load - bestLoad;
      if (order < 0 || best === -1) {
        best = position;
        bestExcess = excess;
        bestFull = full;
        bestLoad = load;
      }
    }
    invariant(best !== -1, 'a partition has no more replicas than there are workers', { partition });
    return best;
  }

  private rebalance(): void {
    let progressed = true;
    while (progressed) {
      progressed = false;
      const fullest = this.all.filter((position) => this.surplusOf(position) > 0);
      fullest.sort((a, b) => this.surplusOf(b) - this.surplusOf(a) || a - b);
      for (const over of fullest) {
        while (this.surplusOf(over) > 0 && this.relieve(over)) progressed = true;
      }
    }
  }

  /**
   * Moves one replica off `over` so that one worker below its quota gains one: directly where the spread allows it, or
   * else along a shortest path of moves from worker to worker (breadth first).
   */
  private relieve(over: number): boolean {
    const under = this.all.filter((position) => this.surplusOf(position) < 0);
    under.sort((a, b) => this.surplusOf(a) - this.surplusOf(b) || a - b);
    const others = this.all.filter((position) => this.surplusOf(position) >= 0 && position !== over);
    const reachedBy = new Map<number, Move>();
    const queue = [over];
    for (let i = 0; i < queue.length && !this.isExhausted(); i++) {
      const from = queue[i] as number;
      for (const to of [...under, ...others]) {
        if (reachedBy.has(to)) continue;
        const partition = this.movable(from, to, pathTo(from, reachedBy));
        if (partition === undefined) continue;
        reachedBy.set(to, { partition, from, to });
        if (this.surplusOf(to) < 0) {
          for (const move of pathTo(to, reachedBy)) this.layout.move(move.partition, move.from, move.to);
          return true;
        }
        queue.push(to);
      }
    }
    return false;
  }

  /**
   * A partition that may move as one more step of `path`. Moves in different partitions do not touch each other, so what
   * each was allowed alone all are together; one that the path moves already is left out.
   */
  private movable(from: number, to: number, path: readonly Move[]): number | undefined {
    for (const partition of this.layout.leavingFrom(from)) {
      if (!this.spend()) return undefined;
      if (path.some((move) => move.partition === partition)) continue;
      if (this.layout.mayMove(partition, from, to)) return partition;
    }
    return undefined;
  }

  private repair(): void {
    this.layout.members.forEach((members, p) => {
      // Each exchange lowers the excess, which is below 100 to begin with.
      while (this.topology.excessOf(members) > 0 && this.exchange(p));
    });
  }

  /** Gives one replica of a crowded partition to a worker where it crowds less, for one of that worker's. */
  private exchange(partition: number): boolean {
    const members = [...this.layout.membersOf(partition)];
    const excess = this.topology.excessOf(members);
    for (const leaving of members) {
      const others = members.filter((position) => position !== leaving);
      if (this.topology.excessOf(others) === excess) continue;
      for (const joining of this.all) {
        if (members.includes(joining) || this.topology.excessOfJoining(others, joining) > 0) continue;
        for (const other of this.layout.leavingFrom(joining)) {
          if (!this.spend()) return false;
          if (other === partition || !this.layout.mayMove(other, joining, leaving)) continue;
          this.layout.move(partition, leaving, joining);
          this.layout.move(other, joining, leaving);
          return true;
        }
      }
    }
    return false;
  }

  private spend(): boolean {
    this.effort++;
    return !this.isExhausted();
  }

  private isExhausted(): boolean {
    return this.effort > EFFORT_MAX;
  }
}

function pathTo(end: number, reachedBy: ReadonlyMap<number, Move>): Move[] {
  const path: Move[] = [];
  for (let move = reachedBy.get(end); move !== undefined; move = reachedBy.get(move.from)) path.push(move);
  return path;
}
