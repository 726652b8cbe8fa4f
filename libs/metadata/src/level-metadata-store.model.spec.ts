/**
 * Random commits, leases and watches against a simple model, with a disk that takes its time, restarts, and crashes
 * that leave some of the writes behind that nobody was told of. After every step:
 *
 * - exactly those answers have come that rest on durable writes only, and they are the model's;
 * - reads show the model's durable state;
 * - every watch has shown exactly the model's durable changes.
 *
 * A failure prints seed and path; give them to `fc.assert`.
 */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { describe, expect, it } from '@jest/globals';
import { isStoreError } from '@diststore/base';
import { MemoryStorage, type Storage, type Trailer, type WriteOp } from '@diststore/storage';
import { ManualClock } from '@diststore/testing';
import fc from 'fast-check';

import { HeldStorage, turn } from '../test/held-storage.js';
import { MetadataModel } from '../test/metadata-model.js';
import { LevelMetadataStore } from './level-metadata-store.js';
import type { Change, Compare, LeaseId, WatchNews } from './metadata-store.js';

const NAMES = ['a', 'a/1', 'a/2', 'b', 'b/1'];
const nameArbitrary = fc.constantFrom(...NAMES);
const compareArbitrary = fc.record({
  name: nameArbitrary,
  field: fc.constantFrom('modRevision', 'createRevision'),
  /** Mostly what holds at present, sometimes what held once. */
  revision: fc.oneof({ weight: 4, arbitrary: fc.constant('right') }, fc.nat(4)),
});
const changeArbitrary = fc.record({
  name: nameArbitrary,
  value: fc.option(fc.constantFrom('', '0', '1', 'x'.repeat(50)), { freq: 3 }),
  lease: fc.option(fc.nat(20), { freq: 2 }),
});
const prefixArbitrary = fc.constantFrom('', 'a', 'a/', 'b/1', 'c');

const stepArbitrary = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      compares: fc.array(compareArbitrary, { maxLength: 3 }),
      changes: fc.uniqueArray(changeArbitrary, { maxLength: 4, selector: ({ name }) => name }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('grant' as const), ttlMs: fc.integer({ min: 1000, max: 3000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('keepAlive' as const, 'revoke' as const), lease: fc.nat(20) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.nat(1500), expire: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('watch' as const),
      prefix: prefixArbitrary,
      from: fc.integer({ min: -5, max: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('flush' as const), writes: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), reached: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);

type Of<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Step = Of<typeof stepArbitrary>;

/** An answer that is due, and what it must be. */
interface Answer {
  readonly expected: unknown;
  /** The write that it rests on. */
  readonly restsOn: number;
  outcome?: { readonly value?: unknown; readonly error?: unknown };
}

interface Watch {
  readonly prefix: string;
  readonly from: number;
  readonly seen: WatchNews[];
}

class Run {
  private readonly clock = new ManualClock();
  private readonly model = new MetadataModel(() => this.clock.monotonicNowMs());
  private readonly stop = new AbortController();
  private answers: Answer[] = [];
  private watches: Watch[] = [];
  private storage: HeldStorage;

  private constructor(
    private readonly disk: Storage,
    private store: LevelMetadataStore,
  ) {
    this.storage = new HeldStorage(disk);
  }

  static async play(steps: readonly Step[], disk: Storage): Promise<void> {
    const run = new Run(disk, await LevelMetadataStore.open(disk, { clock: new ManualClock() }));
    await run.open();
    for (const step of steps) {
      await run.take(step);
      await turn();
      await run.check();
    }
    run.stop.abort();
  }

  private async open(): Promise<void> {
    await this.store.close();
    this.answers = [];
    this.watches = [];
    this.storage = new HeldStorage(this.disk);
    this.store = await LevelMetadataStore.open(this.storage, { clock: this.clock });
  }

  private async take(step: Step): Promise<void> {
    const { model, store } = this;
    switch (step.do) {
      case 'commit': {
        const compares = step.compares.map((compare) => this.compareOf(compare));
        const changes = step.changes.map((change) => this.changeOf(change));
        this.expect(store.commit(compares, changes), model.commit(compares, changes));
        return;
      }
      case 'grant': {
        this.expect(store.grant(step.ttlMs), { id: model.grant(step.ttlMs), ttlMs: step.ttlMs });
        return;
      }
      case 'keepAlive': {
        const id = this.leaseOf(step.lease);
        const alive = model.keepAlive(id);
        this.expect(store.keepAlive(id), alive, alive ? 0 : model.newest);
        return;
      }
      case 'revoke': {
        const id = this.leaseOf(step.lease);
        model.revoke(id);
        this.expect(store.revoke(id), undefined);
        return;
      }
      case 'time': {
        this.clock.nowMs += step.ms;
        if (!step.expire) return;
        model.expire();
        void store.expireLeases();
        return;
      }
      case 'watch': {
        this.watch(step.prefix, Math.max(1, model.revision + step.from));
        return;
      }
      case 'flush':
        model.makeDurable(Math.min(step.writes, this.storage.heldWrites));
        return this.storage.release(step.writes);
      case 'crash': {
        model.makeDurable(Math.min(step.reached, this.storage.heldWrites));
        await this.storage.fail(step.reached);
        for (const { outcome } of this.answers) ok(outcome !== undefined && isStoreError(outcome.error));
        model.reopen();
        return this.open();
      }
      case 'reopen':
        model.makeDurable(this.storage.heldWrites);
        await this.storage.release();
        await this.check();
        model.reopen();
        return this.open();
    }
  }

  private async check(): Promise<void> {
    const { model, store } = this;
    // Not Jest's comparison: it is slow, and this is most of the run.
    deepStrictEqual(this.storage.heldWrites, model.newest - model.durable);
    this.checkAnswers(model.durable);
    const listing = { revision: model.durableRevision(), records: model.durableRecords('') };
    deepStrictEqual(await store.list(''), listing);
    deepStrictEqual((await store.list('a/')).records, model.durableRecords('a/'));
    for (const name of NAMES) {
      const record = listing.records.find((each) => each.name === name);
      deepStrictEqual(await store.get(name), record);
    }
    for (const { prefix, from, seen } of this.watches) deepStrictEqual(seen, model.news(prefix, from));
  }

  /** Those that rest on the first `writes` writes have come, as the model has them. */
  private checkAnswers(writes: number): void {
    for (const { expected, restsOn, outcome } of this.answers) {
      deepStrictEqual(outcome, restsOn <= writes ? { value: expected } : undefined);
    }
    this.answers = this.answers.filter(({ restsOn }) => restsOn > writes);
  }

  private expect(promise: Promise<unknown>, expected: unknown, restsOn = this.model.newest): void {
    const answer: Answer = { expected, restsOn };
    this.answers.push(answer);
    promise.then(
      (value) => (answer.outcome = { value }),
      (error: unknown) => (answer.outcome = { error }),
    );
  }

  private watch(prefix: string, from: number): void {
    const watch: Watch = { prefix, from, seen: [] };
    this.watches.push(watch);
    const news = this.store.watch(prefix, from, this.stop.signal);
    const follow = async (): Promise<void> => {
      for await (const each of news) watch.seen.push(each);
    };
    // It ends with the store.
    follow().catch(() => undefined);
  }

  private compareOf({ name, field, revision }: Of<typeof compareArbitrary>): Compare {
    const record = this.model.record(name);
    if (field === 'modRevision') {
      return { name, modRevision: typeof revision === 'number' ? revision : (record?.modRevision ?? 0) };
    }
    return { name, createRevision: typeof revision === 'number' ? revision : (record?.createRevision ?? 0) };
  }

  private changeOf({ name, value, lease }: Of<typeof changeArbitrary>): Change {
    if (value === null) return { type: 'del', name };
    return lease === null
      ? { type: 'put', name, value }
      : { type: 'put', name, value, lease: this.leaseOf(lease) };
  }

  /** Any lease ever granted, or the next one. */
  private leaseOf(number: number): LeaseId {
    const ids = this.model.leaseIds;
    return ids[number % ids.length] ?? ('1' as LeaseId);
  }
}

/** A disk that forgets deletes, or writes the records of every third write without its trailer. */
class BadDisk extends MemoryStorage {
  private writes = 0;

  constructor(private readonly fault: 'forgets deletes' | 'tears writes') {
    super();
  }

  override write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void> {
    this.writes += 1;
    if (this.fault === 'forgets deletes')
      return super.write(
        ops.filter(({ type }) => type === 'put'),
        trailer,
      );
    return this.writes % 3 === 0 ? super.write(ops) : super.write(ops, trailer);
  }
}

/** Seconds, on a machine that does much else. */
const RUN_MS = 60_000;
const stepsArbitrary = fc.array(stepArbitrary, { minLength: 10, maxLength: 60, size: 'max' });

describe('LevelMetadataStore under random operations, restarts and crashes', () => {
  it(
    'does what the model does',
    async () => {
      const property = fc.asyncProperty(stepsArbitrary, (steps) => Run.play(steps, new MemoryStorage()));
      await fc.assert(property, { numRuns: 200 });
    },
    RUN_MS,
  );

  it.each(['forgets deletes', 'tears writes'] as const)(
    'is found out on a disk that %s',
    async (fault) => {
      const property = fc.asyncProperty(stepsArbitrary, (steps) => Run.play(steps, new BadDisk(fault)));
      const { failed } = await fc.check(property, { numRuns: 150, endOnFailure: true });
      expect(failed).toBe(true);
    },
    RUN_MS,
  );
});
