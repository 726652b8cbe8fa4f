/**
 * The draft that placement works on: which workers hold which partitions, kept both ways, plus how many each should.
 * Workers are positions of the topology.
 */
import { invariant } from '@diststore/base';

import type { Topology } from './topology.js';

export class Layout {
  /** By partition: who holds a replica. */
  readonly members: number[][];
  /** By partition: who held one to begin with. */
  private readonly home: readonly (readonly number[])[];
  /** By position: the partitions it holds; to begin with, those it leads come last. */
  readonly held: Set<number>[];

  /**
   * @param members by partition: who holds it at first.
   * @param primaries by partition: who leads it, if anybody; moving another of its replicas costs no hand-over.
   */
  constructor(
    readonly topology: Topology,
    members: readonly (readonly number[])[],
    primaries: readonly (number | undefined)[],
  ) {
    this.members = members.map((positions) => [...positions]);
    this.home = members;
    this.held = topology.workers.map(() => new Set<number>());
    for (const leads of [false, true]) {
      this.members.forEach((positions, p) => {
        for (const position of positions)
          if ((primaries[p] === position) === leads) this.partitionsOf(position).add(p);
      });
    }
  }

  membersOf(partition: number): readonly number[] {
    return this.listOf(partition);
  }

  partitionsOf(position: number): Set<number> {
    const held = this.held[position];
    invariant(held !== undefined, 'the position is that of a worker', { position });
    return held;
  }

  /**
   * The partitions it holds, in the order in which they would rather go: first those that this draft gave it, which
   * are no data yet; then those it only follows; then those it leads, which cost a hand-over on top.
   */
  *leavingFrom(position: number): Generator<number> {
    const held = this.partitionsOf(position);
    for (const partition of held) if (!this.isHome(partition, position)) yield partition;
    for (const partition of held) if (this.isHome(partition, position)) yield partition;
  }

  /** How many replicas have to be copied to get from the first layout to this one. */
  get movedCount(): number {
    return this.members.reduce(
      (sum, positions, p) => sum + positions.filter((position) => !this.isHome(p, position)).length,
      0,
    );
  }

  countOf(position: number): number {
    return this.partitionsOf(position).size;
  }

  counts(): number[] {
    return this.held.map((partitions) => partitions.size);
  }

  add(partition: number, position: number): void {
    this.listOf(partition).push(position);
    this.partitionsOf(position).add(partition);
  }

  remove(partition: number, position: number): void {
    const members = this.listOf(partition);
    members.splice(members.indexOf(position), 1);
    this.partitionsOf(position).delete(partition);
  }

  /** The replica keeps its place in the list, so that moving it changes as little as possible. */
  move(partition: number, from: number, to: number): void {
    const members = this.listOf(partition);
    members[members.indexOf(from)] = to;
    this.partitionsOf(from).delete(partition);
    this.partitionsOf(to).add(partition);
  }

  /** Whether the replica may move without a worse spread than now, and without a second one on its new worker. */
  mayMove(partition: number, from: number, to: number): boolean {
    const members = this.listOf(partition);
    if (members.includes(to)) return false;
    const others = members.filter((position) => position !== from);
    const added = this.topology.excessOfJoining(others, to);
    return added === 0 || this.topology.excessOf(others) + added <= this.topology.excessOf(members);
  }

  private isHome(partition: number, position: number): boolean {
    return this.home[partition]?.includes(position) ?? false;
  }

  private listOf(partition: number): number[] {
    const members = this.members[partition];
    invariant(members !== undefined, 'the partition exists', { partition });
    return members;
  }
}
