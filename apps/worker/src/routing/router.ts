/**
 * Finds who answers for a key: this worker, if the partition's primary is here, or the worker that the cluster map
 * names. The map may be old, and a partition may be changing hands: then whoever is asked says that nothing was done,
 * the map is renewed and the question put again, for as long as one failover takes. A question is never passed on by
 * whoever is asked, so it cannot go round in circles.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { isStoreError, StoreError, unreachable } from '@diststore/base';
import {
  type ClusterMap,
  type Configuration,
  localPartitionOf,
  type PartitionId,
  type WorkerIndex,
} from '@diststore/cluster';
import { checkOperation } from '@diststore/data';
import type { DataLimits, WriteOperation } from '@diststore/data';
import type { Counts, Request } from '@diststore/replication';
import type { StoredRecord } from '@diststore/storage';

import type { PageOptions, Partition, Performed, RecordPage } from '../data/partition.js';
import type { MapFollower } from '../cluster/map-follower.js';
import type { Peers } from './peers.js';
import type { Answer, Question } from './question.js';

/** Where a value is kept. */
export interface Holders {
  readonly partition: PartitionId;
  /** Indices of the workers that hold it, the primary first. */
  readonly replicas: readonly number[];
}

export interface Route extends Holders {
  /** The partition itself, when it is led from here. */
  readonly local: Partition | undefined;
}

/** The partitions of this worker. */
export interface LocalPartitions {
  /** The partition, if it is led from here. */
  primary(partition: PartitionId): Partition | undefined;
  /** The newest that is known here. */
  configurationOf(partition: PartitionId): Configuration | undefined;
}

export interface RouterOptions extends DataLimits {
  /** How long a question is put again. Default: PATIENCE_MS. */
  readonly patienceMs?: number;
}

/** Longer than a failover takes with the default times, and shorter than clients wait for an answer. */
const PATIENCE_MS = 5000;

/** Between two attempts, doubled each time: a hand-over takes milliseconds, a failover seconds. */
const PAUSE_MS_MIN = 5;
const PAUSE_MS_MAX = 200;

export class Router {
  /** By partition, of `holdersOf`. */
  private holders: (Holders | undefined)[] = [];
  private holdersOf: ClusterMap | undefined;

  constructor(
    private readonly self: WorkerIndex,
    private readonly partitionsHere: LocalPartitions,
    private readonly follower: Pick<MapFollower, 'current' | 'required' | 'refresh'>,
    private readonly peers: Pick<Peers, 'ask'>,
    private readonly options: RouterOptions,
  ) {}

  /** @throws StoreError retry-later: this worker does not know the cluster yet. */
  route(key: Buffer): Route {
    const map = this.follower.required();
    return this.routeIn(map, map.partitionOf(key, this.self));
  }

  /** @throws StoreError retry-later */
  routeTo(partition: PartitionId): Route {
    return this.routeIn(this.follower.required(), partition);
  }

  /** Every partition of the keyspace; under placement `local`, of this worker's. @throws StoreError retry-later */
  partitions(): PartitionId[] {
    const map = this.follower.required();
    if (map.settings.placement === 'local') return [localPartitionOf(this.self)];
    return Array.from({ length: map.settings.partitionCount }, (_unused, number) => number as PartitionId);
  }

  /** @throws StoreError retry-later, or what `Partition.get` throws. */
  async get(partition: PartitionId, key: Buffer): Promise<StoredRecord | undefined> {
    const operation = { type: 'get', key } as const;
    const answer = await this.ask({ type: 'perform', partition, operation, request: undefined });
    if (answer.type !== 'found' && answer.type !== 'absent') throw unexpected(answer);
    return answer.type === 'found' ? answer.record : undefined;
  }

  /** As `get`, confirmed. @throws StoreError retry-later, or what `Partition.readConfirmed` throws. */
  async getConfirmed(partition: PartitionId, key: Buffer): Promise<StoredRecord | undefined> {
    const answer = await this.ask({ type: 'confirm', partition, key });
    if (answer.type !== 'found' && answer.type !== 'absent') throw unexpected(answer);
    return answer.type === 'found' ? answer.record : undefined;
  }

  /**
   * Does the operation on the worker that the partition's primary is on.
   * @throws StoreError retry-later, outcome-unknown, or what `Partition.perform` throws.
   */
  async perform(partition: PartitionId, operation: WriteOperation, request?: Request): Promise<Performed> {
    const answer = await this.ask({ type: 'perform', partition, operation, request });
    if (answer.type !== 'done') throw unexpected(answer);
    return answer;
  }

  /** @throws StoreError retry-later, or what `Partition.page` throws. */
  async page(
    partition: PartitionId,
    from: Buffer,
    to: Buffer | undefined,
    options: PageOptions,
  ): Promise<RecordPage> {
    const answer = await this.ask({ type: 'page', partition, from, to, ...options });
    if (answer.type !== 'page') throw unexpected(answer);
    return answer.page;
  }

  /** How full a partition is. @throws StoreError retry-later */
  async counts(partition: PartitionId): Promise<Counts> {
    const answer = await this.ask({ type: 'counts', partition });
    if (answer.type !== 'counts') throw unexpected(answer);
    return answer.counts;
  }

  /** Answers a peer's question from what is here. @throws as Partition's methods, and as `checkOperation` */
  async answer(question: Question): Promise<Answer> {
    const local = this.partitionsHere.primary(question.partition);
    if (local === undefined) return { type: 'not-primary', mapVersion: this.follower.current?.version ?? 0 };
    // The peer has checked it as well, but perhaps against other limits.
    if (question.type === 'perform') checkOperation(question.operation, this.options);
    return answerFrom(local, question);
  }

  /**
   * Clears the whole keyspace under placement `hashed`, this worker's part under `local`.
   * @returns how many keys were removed, and on which workers.
   * @throws StoreError when some partition could not be cleared; the others have been all the same.
   */
  async clear(): Promise<{ removed: number; workers: number[] }> {
    const partitions = this.partitions();
    const counts = await Promise.all(
      partitions.map(async (partition) => {
        const { result } = await this.perform(partition, { type: 'clear' });
        return result.type === 'cleared' ? result.removed : 0;
      }),
    );
    const primaries = partitions.map((partition) => this.routeTo(partition).replicas[0] ?? this.self);
    const workers = [...new Set(primaries)].sort((a, b) => a - b);
    return { removed: counts.reduce((sum, count) => sum + count, 0), workers };
  }

  /** The answer of the partition's primary, which is here or on another worker. */
  private async ask(question: Question): Promise<Answer> {
    const { partition } = question;
    const { patienceMs = PATIENCE_MS } = this.options;
    const untilMs = performance.now() + patienceMs;
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      let refusal: StoreError;
      try {
        const answer = await this.askPrimary(question);
        if (answer.type !== 'not-primary') return answer;
        refusal = noPrimary(partition);
      } catch (error) {
        // Everything else is an answer, or leaves open what has happened.
        if (!isStoreError(error, 'retry-later')) throw error;
        refusal = error;
      }
      // Where nothing was ever created nothing changes hands.
      if (!(await this.isCreated(partition)) || performance.now() + pauseMs > untilMs) throw refusal;
      // The news may take longer than the hand-over that it is about.
      void this.follower.refresh();
      await sleep(pauseMs);
    }
  }

  /** A cluster that was formed a moment ago has told its master of it, and not every worker. */
  private async isCreated(partition: PartitionId): Promise<boolean> {
    const { follower } = this;
    if (follower.required().configurationOf(partition) === undefined) await follower.refresh();
    return follower.required().configurationOf(partition) !== undefined;
  }

  private async askPrimary(question: Question): Promise<Answer> {
    const { partition } = question;
    const local = this.partitionsHere.primary(partition);
    if (local !== undefined) return answerFrom(local, question);
    const map = this.follower.required();
    const primary = (this.partitionsHere.configurationOf(partition) ?? map.configurationOf(partition))
      ?.primary;
    return primary === undefined || primary.worker === this.self
      ? { type: 'not-primary', mapVersion: map.version }
      : this.peers.ask(primary.worker, question);
  }

  private routeIn(map: ClusterMap, partition: PartitionId): Route {
    if (this.holdersOf !== map) {
      this.holders = [];
      this.holdersOf = map;
    }
    const { replicas } = this.holders[partition] ?? this.newHolders(map, partition);
    return { partition, replicas, local: this.partitionsHere.primary(partition) };
  }

  private newHolders(map: ClusterMap, partition: PartitionId): Holders {
    // What is known here is ahead of the map while the map's news is being taken up.
    const configuration = this.partitionsHere.configurationOf(partition) ?? map.configurationOf(partition);
    const members = configuration?.insync.map(({ worker }) => worker) ?? [];
    const primary = configuration?.primary.worker;
    const replicas = members.sort((a, b) => Number(b === primary) - Number(a === primary));
    const holders = { partition, replicas };
    if (configuration !== undefined) this.holders[partition] = holders;
    return holders;
  }
}

async function answerFrom(partition: Partition, question: Question): Promise<Answer> {
  switch (question.type) {
    case 'perform': {
      const { operation, request } = question;
      if (operation.type !== 'get') return { type: 'done', ...(await partition.perform(operation, request)) };
      return found(await partition.get(operation.key));
    }
    case 'confirm':
      return found(await partition.readConfirmed(question.key));
    case 'page':
      return { type: 'page', page: await partition.page(question.from, question.to, question) };
    case 'counts':
      return { type: 'counts', counts: { keys: partition.keys, bytes: partition.bytes } };
    default:
      return unreachable(question);
  }
}

function found(record: StoredRecord | undefined): Answer {
  return record === undefined ? { type: 'absent' } : { type: 'found', record };
}

function unexpected({ type }: Answer): StoreError {
  return new StoreError('internal', `A question was answered with ${type}.`);
}

function noPrimary(partition: PartitionId): StoreError {
  return new StoreError('retry-later', `Partition ${partition} has no primary that answers at this moment.`, {
    facts: { partition },
  });
}
