/**
 * A keyspace in memory for tests of the Redis ports: it decides as a partition does, numbers writes, and makes them
 * durable a turn later, all of a turn together. Readers see what is durable. Some partitions can be played as being on
 * another worker, which answers later.
 */
import { StoreError } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';
import { type ClusterMap, partitionId } from '@diststore/cluster';
import { checkOperation, decide, type Operation, type StoredValue } from '@diststore/data';

import type {
  RedisDone,
  RedisFound,
  RedisKeyspace,
  RedisPage,
} from '../../apps/worker/src/redis/redis-keyspace.js';

type Rows = Map<string, StoredValue>;

export class MemoryKeyspace implements RedisKeyspace {
  /** As of the newest decided write, and as of the newest durable one. */
  private readonly newest: Rows = new Map();
  private readonly durable: Rows = new Map();
  private behind: Rows | undefined;
  private round: Promise<void> | undefined;
  private seq = 0;
  /** Rounds of writes that became durable together. */
  rounds = 0;
  performed = 0;
  /** Operations whose answer waits until the test lets it go. */
  gate: Promise<void> | undefined;
  failure: StoreError | undefined;
  nowMs: () => number = Date.now;

  constructor(
    private readonly map: ClusterMap,
    private readonly options: {
      readonly maxValueBytes: number;
      readonly isElsewhere?: (partition: PartitionId) => boolean;
      readonly hasReplica?: (partition: PartitionId) => boolean;
    } = { maxValueBytes: 16 * 1024 * 1024 },
  ) {}

  get size(): number {
    return this.newest.size;
  }

  get(key: Buffer): RedisFound | Promise<RedisFound> {
    this.check(key);
    const found = (): RedisFound => ({ record: this.live(this.durable.get(key.toString('latin1'))) });
    return this.options.isElsewhere?.(this.partitionOf(key)) === true ? nextTurn().then(found) : found();
  }

  /** As if the replica here had fallen behind: it has what was durable when `fallBehind` was called. */
  async getAs(key: Buffer): Promise<RedisFound> {
    await nextTurn();
    return { record: this.live((this.behind ?? this.durable).get(key.toString('latin1'))) };
  }

  fallBehind(): void {
    this.behind = new Map(this.durable);
  }

  hasReplica(partition: PartitionId): boolean {
    return this.options.hasReplica?.(partition) ?? true;
  }

  async perform(operation: Operation): Promise<RedisDone> {
    this.performed += 1;
    if (this.failure !== undefined) throw this.failure;
    if (operation.type === 'get') {
      const { record } = await this.get(operation.key);
      return { result: { type: 'value', record }, replicas: [1, 2, 3] };
    }
    checkOperation(operation, this.options);
    this.seq += 1;
    const seq = this.seq;
    const decision = decide(
      operation,
      {
        seq,
        clockMs: this.nowMs(),
        counts: { keys: this.newest.size, bytes: 0 },
        get: (key) => this.newest.get(Buffer.from(key).toString('latin1')),
      },
      this.options,
    );
    const changes: [string, StoredValue | undefined][] = [];
    for (const op of decision.ops) {
      if (op.type === 'clear') {
        for (const name of this.newest.keys()) changes.push([name, undefined]);
        continue;
      }
      const value =
        op.type === 'del'
          ? undefined
          : {
              version: seq,
              expireAtMs: op.expireAtMs,
              contentType: op.contentType,
              payload: Buffer.from(op.payload),
            };
      changes.push([Buffer.from(op.key).toString('latin1'), value]);
    }
    apply(this.newest, changes);
    this.round ??= this.commit();
    await this.round;
    apply(this.durable, changes);
    await this.gate;
    return { result: decision.result, replicas: [1, 2, 3] };
  }

  partitionOf(key: Buffer): PartitionId {
    return this.map.partitions?.ofKey(key) ?? partitionId(1);
  }

  partitions(): readonly PartitionId[] {
    return this.map.partitions?.all() ?? [partitionId(1)];
  }

  async page(
    partition: PartitionId,
    from: Buffer,
    to: Buffer | undefined,
    { limit, keysOnly }: { readonly limit: number; readonly keysOnly: boolean },
  ): Promise<RedisPage> {
    await nextTurn();
    const keys = [...this.durable]
      .filter(([, value]) => this.live(value) !== undefined)
      .map(([name]) => Buffer.from(name, 'latin1'))
      .filter((key) => this.partitionOf(key) === partition)
      .filter((key) => Buffer.compare(key, from) >= 0 && (to === undefined || Buffer.compare(key, to) < 0))
      .sort((a, b) => Buffer.compare(a, b));
    const records = keys.slice(0, limit).map((key) => {
      const record = this.durable.get(key.toString('latin1')) as StoredValue;
      return { key, record: keysOnly ? { ...record, payload: Buffer.alloc(0) } : record };
    });
    return { records, next: keys[limit] };
  }

  async counts(partition: PartitionId): Promise<{ keys: number; bytes: number }> {
    await nextTurn();
    const keys = [...this.durable.keys()].filter(
      (name) => this.partitionOf(Buffer.from(name, 'latin1')) === partition,
    );
    return { keys: keys.length, bytes: 0 };
  }

  async clear(): Promise<void> {
    await nextTurn();
    this.newest.clear();
    this.durable.clear();
  }

  private async commit(): Promise<void> {
    await nextTurn();
    this.round = undefined;
    this.rounds += 1;
  }

  private live(value: StoredValue | undefined): StoredValue | undefined {
    if (value === undefined) return undefined;
    return value.expireAtMs !== 0 && value.expireAtMs <= this.nowMs() ? undefined : value;
  }

  private check(key: Buffer): void {
    if (this.failure !== undefined) throw this.failure;
    if (key.length === 0) throw new StoreError('key-empty', 'The key is empty.');
  }
}

/** Not of node:timers/promises, whose promises are of another realm under Jest. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function apply(rows: Rows, changes: readonly (readonly [string, StoredValue | undefined])[]): void {
  for (const [name, value] of changes) {
    if (value === undefined) rows.delete(name);
    else rows.set(name, value);
  }
}
