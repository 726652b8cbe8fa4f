/**
 * Finds who answers for a key: this worker, if the partition's primary is here, or the worker that the cluster map
 * names. The map may be old, and then the one that is asked says so, once: the map is renewed and the question put
 * again. A question is never passed on by whoever is asked, so it makes one hop, or after a renewal one more, and
 * cannot go round in circles.
 */
import { StoreError } from '@diststore/base';
import type { ClusterMap, PartitionId, WorkerIndex } from '@diststore/cluster';
import type { FreeSpace } from '@diststore/storage';

import type { Partition } from '../data/partition.js';
import type { PartitionHost } from '../data/partition-host.js';
import type { MapFollower } from '../cluster/map-follower.js';
import type { Answer, Operation, Outcome, Question } from './operation.js';
import type { Peers } from './peers.js';

/** Where a value is kept. */
export interface Holders {
  readonly partition: PartitionId;
  /** Indices of the workers that hold it, the primary first. */
  readonly replicas: readonly number[];
}

export interface Route extends Holders {
  /** The partition itself, when it is here. */
  readonly local: Partition | undefined;
}

/** One renewal of the map: a second worker in error in a row means that the cluster is changing right now. */
const ATTEMPTS = 2;

export class Router {
  /** By partition, of `routesOf`. */
  private routes: (Route | undefined)[] = [];
  private routesOf: ClusterMap | undefined;

  constructor(
    private readonly self: WorkerIndex,
    private readonly host: PartitionHost,
    private readonly follower: Pick<MapFollower, 'current' | 'required' | 'refresh'>,
    private readonly peers: Pick<Peers, 'ask'>,
    private readonly freeSpace: FreeSpace | undefined,
  ) {}

  /** @throws StoreError retry-later: this worker does not know the cluster yet. */
  route(key: Buffer): Route {
    const map = this.follower.required();
    if (this.routesOf !== map) {
      this.routes = [];
      this.routesOf = map;
    }
    const partition = map.partitionOf(key, this.self);
    return this.routes[partition] ?? this.newRoute(map, partition);
  }

  /**
   * Runs the operation on the worker that the partition's primary is on.
   * @throws StoreError retry-later, outcome-unknown, or what the operation throws.
   */
  async perform(partition: PartitionId, operation: Operation): Promise<Outcome> {
    for (let attempt = 1; ; attempt += 1) {
      const local = this.host.primary(partition);
      if (local !== undefined) return this.performHere(local, operation);
      const primary = this.follower.required().primaryOf(partition);
      if (primary !== undefined && primary.worker !== this.self) {
        const isWrite = operation.type !== 'get';
        const answer = await this.peers.ask(primary.worker, { partition, operation }, { isWrite });
        if (answer.type !== 'not-primary') return outcomeOf(answer);
      }
      if (attempt === ATTEMPTS) throw noPrimary(partition);
      await this.follower.refresh();
    }
  }

  /** Answers a peer's question from what is here. @throws as Partition's methods */
  async answer(question: Question): Promise<Answer> {
    if ('clear' in question) return { type: 'cleared', removed: await this.clearHere() };
    const local = this.host.primary(question.partition);
    if (local === undefined) return { type: 'not-primary', mapVersion: this.follower.current?.version ?? 0 };
    return this.performHere(local, question.operation);
  }

  /**
   * Clears the whole keyspace under placement `hashed`, this worker's part under `local`.
   * @returns how many keys were removed, and on which workers.
   * @throws StoreError when some worker could not be asked; the others have been cleared all the same.
   */
  async clear(): Promise<{ removed: number; workers: number[] }> {
    const map = this.follower.required();
    const workers = map.settings.placement === 'local' ? [this.self] : primariesOf(map);
    const counts = await Promise.all(
      workers.map(async (worker) => {
        if (worker === this.self) return this.clearHere();
        const answer = await this.peers.ask(worker, { clear: true }, { isWrite: true });
        return answer.type === 'cleared' ? answer.removed : 0;
      }),
    );
    return { removed: counts.reduce((sum, count) => sum + count, 0), workers };
  }

  private async performHere(partition: Partition, operation: Operation): Promise<Outcome> {
    switch (operation.type) {
      case 'get': {
        const record = await partition.get(operation.key);
        return record === undefined ? { type: 'absent' } : { type: 'found', record };
      }
      case 'put': {
        const { key, value, options } = operation;
        this.freeSpace?.take(key.length + value.length);
        return { type: 'stored', ...(await partition.put(key, value, options)) };
      }
      case 'delete': {
        const version = await partition.delete(operation.key);
        return version === undefined ? { type: 'absent' } : { type: 'deleted', version };
      }
    }
  }

  private async clearHere(): Promise<number> {
    const counts = await Promise.all(this.host.primaries().map((partition) => partition.clear()));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  private newRoute(map: ClusterMap, partition: PartitionId): Route {
    // What is installed here is ahead of the map while the map's news is being taken up.
    const configuration = this.host.configurationOf(partition) ?? map.configurationOf(partition);
    const members = configuration?.insync.map(({ worker }) => worker) ?? [];
    const primary = configuration?.primary.worker;
    const replicas = members.sort((a, b) => Number(b === primary) - Number(a === primary));
    const route = { partition, replicas, local: this.host.primary(partition) };
    if (configuration !== undefined) this.routes[partition] = route;
    return route;
  }
}

function outcomeOf(answer: Answer): Outcome {
  switch (answer.type) {
    case 'found':
    case 'absent':
    case 'stored':
    case 'deleted':
      return answer;
    default:
      throw new StoreError('internal', `A peer answered an operation with ${answer.type}.`);
  }
}

function primariesOf(map: ClusterMap): WorkerIndex[] {
  return [
    ...new Set(map.partitionRecords().flatMap(({ configuration }) => configuration?.primary.worker ?? [])),
  ];
}

function noPrimary(partition: PartitionId): StoreError {
  return new StoreError('retry-later', `Partition ${partition} has no primary that answers at this moment.`, {
    facts: { partition },
  });
}
