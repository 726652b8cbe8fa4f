/**
 * Which replica of each partition should be its primary: one each, loads even by weight, few changes.
 *
 * Primaries that may stay, stay; a partition without one takes the replica whose worker has the fewest for its
 * weight. Then overload is shifted: a primary moves from worker to worker along a shortest path over partitions that
 * both hold, until a worker with room is reached; and in the mirror image, workers with too few pull them in. At the
 * end each worker has the floor or the ceiling of its share, unless no such path exists. Changes cost hand-overs, no
 * data. The paths are those that augment a flow (breadth first, as Edmonds and Karp's).
 *
 * Workers are positions 0 to N-1.
 */
import { invariant } from '@diststore/base';

import { shares } from './quotas.js';

export interface PrimariesInput {
  /** By position. */
  readonly weights: readonly number[];
  /** By partition: the positions that hold a replica; at least one. */
  readonly members: readonly (readonly number[])[];
  /** By partition: the primary so far, if it has one. */
  readonly current: readonly (number | undefined)[];
}

/** By partition: the position of its primary. */
export function choosePrimaries(input: PrimariesInput): number[] {
  const draft = new Primaries(input);
  draft.relieveOverloaded();
  draft.liftUnderloaded();
  return draft.primary;
}

/** One primary passes from `from` to `to`. */
interface Shift {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

class Primaries {
  readonly primary: number[] = [];
  private readonly members: readonly (readonly number[])[];
  /** By position: partitions that it holds a replica of, and those it is primary of. */
  private readonly held: number[][];
  private readonly owned: Set<number>[];
  private readonly least: number[];
  private readonly most: number[];

  constructor({ weights, members, current }: PrimariesInput) {
    this.members = members;
    this.held = weights.map(() => []);
    this.owned = weights.map(() => new Set<number>());
    members.forEach((positions, p) => {
      for (const position of positions) this.held[position]?.push(p);
    });
    const claims = weights.map((weight, position) => ({
      weight,
      limit: this.heldBy(position).length,
      held: 0,
    }));
    const share = shares(claims, members.length);
    // A share that is whole but for the rounding of floating point is whole.
    this.least = share.map((exact) => Math.floor(exact + 1e-6));
    this.most = share.map((exact) => Math.ceil(exact - 1e-6));

    const loadOf = (position: number): number => this.load(position) / (weights[position] as number);
    members.forEach((positions, p) => {
      const kept = current[p];
      const lightest = [...positions].sort((a, b) => loadOf(a) - loadOf(b) || a - b)[0];
      const primary = kept !== undefined && positions.includes(kept) ? kept : lightest;
      invariant(primary !== undefined, 'every partition has a replica', { partition: p });
      this.primary.push(primary);
      this.ownedBy(primary).add(p);
    });
  }

  relieveOverloaded(): void {
    const isRelieved = (position: number): boolean => this.load(position) < this.mostOf(position);
    const shiftsFrom = (from: number): Shift[] =>
      [...this.ownedBy(from)].flatMap((partition) =>
        this.membersOf(partition).map((to) => ({ partition, from, to })),
      );
    for (let position = 0; position < this.owned.length; position++) {
      while (this.load(position) > this.mostOf(position)) {
        const path = shortestPath(position, shiftsFrom, 'to', isRelieved);
        if (path === undefined) break;
        this.perform(path);
      }
    }
  }

  liftUnderloaded(): void {
    const canGive = (position: number): boolean => this.load(position) > this.leastOf(position);
    const shiftsTo = (to: number): Shift[] =>
      this.heldBy(to).map((partition) => ({ partition, from: this.primary[partition] as number, to }));
    for (let position = 0; position < this.owned.length; position++) {
      while (this.load(position) < this.leastOf(position)) {
        const path = shortestPath(position, shiftsTo, 'from', canGive);
        if (path === undefined) break;
        this.perform(path);
      }
    }
  }

  private perform(shifts: readonly Shift[]): void {
    for (const { partition, from, to } of shifts) {
      this.primary[partition] = to;
      this.ownedBy(from).delete(partition);
      this.ownedBy(to).add(partition);
    }
  }

  private load(position: number): number {
    return this.ownedBy(position).size;
  }

  private mostOf(position: number): number {
    return this.most[position] as number;
  }

  private leastOf(position: number): number {
    return this.least[position] as number;
  }

  private membersOf(partition: number): readonly number[] {
    return this.members[partition] as readonly number[];
  }

  private heldBy(position: number): number[] {
    return this.held[position] as number[];
  }

  private ownedBy(position: number): Set<number> {
    return this.owned[position] as Set<number>;
  }
}

/**
 * The shifts that lead from `start` to the nearest worker that is an end, or undefined if none is reached. Each
 * worker is entered once, so the path has fewer shifts than there are workers, each of another partition: the shifts
 * of one worker are those of partitions whose primary it is (or takes), and a partition has one primary.
 */
function shortestPath(
  start: number,
  shiftsAt: (position: number) => readonly Shift[],
  far: 'from' | 'to',
  isEnd: (position: number) => boolean,
): Shift[] | undefined {
  const near = far === 'to' ? 'from' : 'to';
  const reachedBy = new Map<number, Shift | undefined>([[start, undefined]]);
  const queue = [start];
  for (let i = 0; i < queue.length; i++) {
    for (const shift of shiftsAt(queue[i] as number)) {
      if (reachedBy.has(shift[far])) continue;
      reachedBy.set(shift[far], shift);
      if (isEnd(shift[far])) return pathTo(shift[far], reachedBy, near);
      queue.push(shift[far]);
    }
  }
  return undefined;
}

function pathTo(
  end: number,
  reachedBy: ReadonlyMap<number, Shift | undefined>,
  near: 'from' | 'to',
): Shift[] {
  const path: Shift[] = [];
  for (let shift = reachedBy.get(end); shift !== undefined; shift = reachedBy.get(shift[near]))
    path.push(shift);
  return path;
}
