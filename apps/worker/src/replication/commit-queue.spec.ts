import { setImmediate as nextTurn } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import { partitionId } from '@diststore/cluster';
import type { PartitionId } from '@diststore/cluster';
import { APPLIED_NOTHING, CHAIN_ZERO, makeEntry } from '@diststore/replication';
import type { DurableWrite, Entry } from '@diststore/replication';
import type { WriteOp } from '@diststore/storage';
import { eventually } from '@diststore/testing';
import fc from 'fast-check';

import { CommitQueue } from './commit-queue.js';
import { HANDED_WRITES_MAX } from './limits.js';

const P = partitionId(1);
const Q = partitionId(2);

function entryOf(seq: number, name: string, requestId?: string): Entry {
  return makeEntry({
    ver: { gen: 1, epoch: 1 },
    seq,
    timestampMs: 1,
    previous: CHAIN_ZERO,
    counts: { keys: 1, bytes: 1 },
    request: requestId === undefined ? undefined : { id: requestId, fingerprint: CHAIN_ZERO },
    result: new Uint8Array(0),
    ops: [
      {
        type: 'put',
        key: Buffer.from(name),
        expireAtMs: 0,
        contentType: undefined,
        payload: Buffer.from('v'),
        oldExpireAtMs: 0,
      },
    ],
  });
}

const apply = (seq: number, name: string, requestId?: string): DurableWrite => ({
  type: 'apply',
  entries: [entryOf(seq, name, requestId)],
  state: { ...APPLIED_NOTHING, applied: seq },
});

/** A storage that settles at the test's word, and the queue in front of it. */
class Bench {
  readonly written: string[][] = [];
  readonly told: string[] = [];
  readonly failures: unknown[] = [];
  refuse = 0;
  /** Writes not settled yet. */
  private readonly held: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  private readonly erases: (() => void)[] = [];
  erasing: PartitionId | undefined;
  readonly owners = { a: { name: 'a' }, b: { name: 'b' } };
  readonly queue = new CommitQueue<{ name: string }>({
    storage: { write: (ops) => this.write(ops) },
    opsOf: (partition, writes) => writes.map((write) => op(`${partition} ${label(write)}`)),
    erase: (partition) => {
      this.erasing = partition;
      return new Promise((resolve) => this.erases.push(resolve));
    },
    persisted: (owner, items) => {
      const { partition, number } = items[items.length - 1] ?? items[0];
      this.told.push(`${owner.name} ${partition} ${number}`);
    },
    failed: (error) => this.failures.push(error),
    applyDelayMs: 5,
  });

  private write(ops: readonly WriteOp[]): Promise<void> {
    if (this.refuse > 0) {
      this.refuse -= 1;
      throw new StoreError('too-many-requests', 'full');
    }
    this.written.push(ops.map(({ key }) => key.toString()));
    return new Promise((resolve, reject) => this.held.push({ resolve, reject }));
  }

  enqueue(
    owner: { name: string },
    partition: PartitionId,
    number: number,
    writes: DurableWrite[],
    urgent = true,
  ): void {
    this.queue.enqueue({ owner, partition, number, ver: null, urgent, writes });
  }

  settle(): void {
    for (const { resolve } of this.held.splice(0)) resolve();
  }

  fail(): void {
    this.held.shift()?.reject(new StoreError('store-failed', 'EIO'));
  }

  erased(): void {
    for (const done of this.erases.splice(0)) done();
  }
}

function op(text: string): WriteOp {
  return { type: 'put', key: Buffer.from(text), value: Buffer.alloc(0) };
}

function label(write: DurableWrite): string {
  return write.type === 'apply' ? `apply ${write.state.applied}` : write.type;
}

describe('CommitQueue', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.queue.close());

  it('hands what a turn enqueues to the storage as one write, and tells each replica once', async () => {
    const { a, b } = bench.owners;
    bench.enqueue(a, P, 1, [apply(1, 'x')]);
    bench.enqueue(b, Q, 1, [apply(1, 'x')]);
    bench.enqueue(a, P, 2, [apply(2, 'y')]);
    await nextTurn();
    expect(bench.written).toEqual([['1 apply 1', '1 apply 2', '2 apply 1']]);
    expect(bench.told).toEqual([]);
    bench.settle();
    await nextTurn();
    expect(bench.told).toEqual(['a 1 2', 'b 2 1']);
    expect(bench.queue.bytes).toBe(0);
  });

  it('lets what is not urgent wait for company, behind which nothing overtakes it', async () => {
    bench.enqueue(bench.owners.a, P, 1, [apply(1, 'x')], false);
    await nextTurn();
    expect(bench.written).toEqual([]);
    bench.enqueue(bench.owners.b, Q, 1, [apply(1, 'x')]);
    await nextTurn();
    expect(bench.written).toEqual([['1 apply 1', '2 apply 1']]);
    bench.enqueue(bench.owners.a, P, 2, [apply(2, 'x')], false);
    await eventually('it goes alone after a while', () => bench.written.length === 2);
  });

  it('hurries on demand', () => {
    bench.enqueue(bench.owners.a, P, 1, [apply(1, 'x')], false);
    bench.queue.hurry();
    expect(bench.written).toEqual([['1 apply 1']]);
  });

  it('comes again when the storage refuses, in the same order', async () => {
    bench.refuse = 2;
    bench.enqueue(bench.owners.a, P, 1, [apply(1, 'x')]);
    await nextTurn();
    bench.enqueue(bench.owners.a, P, 2, [apply(2, 'x')]);
    await eventually('it was taken', () => bench.written.length > 0);
    expect(bench.written.flat()).toEqual(['1 apply 1', '1 apply 2']);
    expect(bench.failures).toEqual([]);
  });

  it('tells nothing after a failed write, and says so once', async () => {
    bench.enqueue(bench.owners.a, P, 1, [apply(1, 'x')]);
    await nextTurn();
    bench.enqueue(bench.owners.a, P, 2, [apply(2, 'x')]);
    await nextTurn();
    bench.fail();
    await nextTurn();
    bench.settle();
    await nextTurn();
    bench.enqueue(bench.owners.a, P, 3, [apply(3, 'x')]);
    await nextTurn();
    expect(bench.failures).toMatchObject([{ code: 'store-failed' }]);
    expect(bench.told).toEqual([]);
    expect(bench.written).toHaveLength(2);
  });

  it('holds a partition back while it is erased, and lets others pass', async () => {
    const { a, b } = bench.owners;
    const then: string[] = [];
    bench.enqueue(a, P, 1, [apply(1, 'x')]);
    await nextTurn();
    const writes: DurableWrite[] = [{ type: 'erase' }, { type: 'state', state: APPLIED_NOTHING }];
    bench.queue.enqueue({
      owner: a,
      partition: P,
      number: 2,
      ver: null,
      urgent: true,
      writes,
      then: () => then.push('erased'),
    });
    bench.enqueue(a, P, 3, [apply(3, 'x')]);
    bench.enqueue(b, Q, 1, [apply(1, 'x')]);
    await nextTurn();
    expect(bench.erasing).toBeUndefined();
    expect(bench.queue.underWay(P)).toBeUndefined();
    expect(bench.written).toEqual([['1 apply 1'], ['2 apply 1']]);
    bench.settle();
    await eventually('it is being erased', () => bench.erasing === P);
    expect(bench.told).toEqual(['a 1 1', 'b 2 1']);
    bench.erased();
    await eventually('what follows the erase is written', () => bench.written.length === 3);
    expect(bench.written[2]).toEqual(['1 state']);
    expect(then).toEqual([]);
    bench.settle();
    await eventually('what waited is written', () => bench.written.length === 4);
    expect(then).toEqual(['erased']);
    expect(bench.written[3]).toEqual(['1 apply 3']);
    bench.settle();
    await nextTurn();
    expect(bench.told.at(-1)).toBe('a 1 3');
  });

  it('takes up what waited behind an erase before what came later', async () => {
    const { a } = bench.owners;
    bench.enqueue(a, P, 1, [{ type: 'erase' }]);
    await eventually('it is being erased', () => bench.erasing === P);
    bench.enqueue(a, P, 2, [apply(2, 'x')]);
    await nextTurn();
    bench.enqueue(a, P, 3, [apply(3, 'x')], false);
    bench.erased();
    await eventually('both are written', () => bench.written.flat().length === 2);
    expect(bench.written.flat()).toEqual(['1 apply 2', '1 apply 3']);
  });

  it('knows what is under way until it is durable', async () => {
    bench.enqueue(bench.owners.a, P, 1, [apply(1, 'x', 'f'.repeat(32))]);
    await nextTurn();
    bench.enqueue(bench.owners.a, P, 2, [apply(2, 'y')], false);
    expect([...(bench.queue.underWay(P)?.keys ?? [])].sort()).toEqual(['x', 'y']);
    expect([...(bench.queue.underWay(P)?.requests ?? [])]).toEqual(['f'.repeat(32)]);
    expect(bench.queue.underWay(Q)?.keys.size).toBe(0);
    bench.settle();
    await nextTurn();
    expect([...(bench.queue.underWay(P)?.keys ?? [])]).toEqual(['y']);
  });

  it('hands over a bounded number of writes at a time', async () => {
    for (let number = 1; number <= HANDED_WRITES_MAX + 10; number += 1)
      bench.enqueue(bench.owners.a, P, number, [{ type: 'append', entries: [] }]);
    await nextTurn();
    expect(bench.written.flat().length).toBeLessThanOrEqual(HANDED_WRITES_MAX + 10);
    bench.settle();
    await nextTurn();
    bench.settle();
    await nextTurn();
    expect(bench.told.at(-1)).toBe(`a 1 ${HANDED_WRITES_MAX + 10}`);
  });

  it('keeps the order of each replica, whatever is urgent, refused, erased or settled when', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('write' as const),
          partition: fc.nat(2),
          urgent: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('erase' as const), partition: fc.nat(2) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constantFrom('settle' as const, 'turn' as const, 'erased' as const, 'refuse' as const),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const run = new Bench();
        const owners = [0, 1, 2].map((n) => ({ name: `${n}` }));
        const numbers = [0, 0, 0];
        const enqueue = (partition: number, urgent: boolean, writes: (n: number) => DurableWrite[]): void => {
          const number = ++(numbers as [number, number, number])[partition as 0 | 1 | 2];
          run.enqueue(
            owners[partition] as { name: string },
            partitionId(partition),
            number,
            writes(number),
            urgent,
          );
        };
        for (const todo of steps) {
          if (todo.do === 'write') enqueue(todo.partition, todo.urgent, (n) => [apply(n, 'x')]);
          else if (todo.do === 'erase') enqueue(todo.partition, true, () => [{ type: 'erase' }]);
          else if (todo.do === 'settle') run.settle();
          else if (todo.do === 'erased') run.erased();
          else if (todo.do === 'refuse') run.refuse = 1;
          else await nextTurn();
        }
        const last = (): string[] =>
          owners.map(({ name }) => run.told.filter((told) => told.startsWith(`${name} `)).at(-1) ?? '');
        const isDone = (): boolean =>
          last().every((told, n) => told === (numbers[n] === 0 ? '' : `${n} ${n} ${numbers[n]}`));
        // Each turn finishes something, but for a refusal, after which a timer has to come.
        for (let turns = 0; !isDone() && turns < 100_000; turns += 1) {
          run.queue.hurry();
          run.settle();
          run.erased();
          await nextTurn();
        }
        expect(isDone()).toBe(true);
        run.queue.close();
        for (const n of [0, 1, 2]) {
          const seqs = run.written
            .flat()
            .filter((text) => text.startsWith(`${n} apply`))
            .map((text) => Number(text.split(' ')[2]));
          expect(seqs).toEqual([...seqs].sort((x, y) => x - y));
          const told = run.told
            .filter((text) => text.startsWith(`${n} `))
            .map((text) => Number(text.split(' ')[2]));
          expect(told).toEqual([...told].sort((x, y) => x - y));
        }
      }),
      { numRuns: 60 },
    );
  });
});
