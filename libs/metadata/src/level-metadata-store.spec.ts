/** What the provider adds to the port: the order of decision, durability and visibility, failures, and damage. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import { LevelStorage, MemoryStorage, metadataKey, type Storage } from '@diststore/storage';
import { ManualClock, TemporaryDirectory } from '@diststore/testing';

import { HeldStorage, turn } from '../test/held-storage.js';
import { LevelMetadataStore, type LevelMetadataStoreOptions } from './level-metadata-store.js';
import type { Change } from './metadata-store.js';
import {
  COUNTERS_KEY,
  encodeCounters,
  encodeLease,
  encodeRecord,
  leaseId,
  leaseKey,
} from './metadata-rows.js';

const put = (name: string, value = ''): Change => ({ type: 'put', name, value });
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

/** Remembers whether it has settled, and never goes unhandled. */
function observe<T>(promise: Promise<T>): { readonly promise: Promise<T>; settled: boolean } {
  const observed = { promise, settled: false };
  const settle = (): void => {
    observed.settled = true;
  };
  promise.then(settle, settle);
  return observed;
}

describe('LevelMetadataStore', () => {
  let disk: MemoryStorage;
  let storage: HeldStorage;
  let clock: ManualClock;
  let store: LevelMetadataStore;

  const open = (options: Partial<LevelMetadataStoreOptions> = {}): Promise<LevelMetadataStore> =>
    LevelMetadataStore.open(storage, { clock, ...options });

  beforeEach(async () => {
    disk = new MemoryStorage();
    storage = new HeldStorage(disk);
    clock = new ManualClock();
    store = await open();
  });

  afterEach(async () => {
    await Promise.all([storage.release(), store.close()]);
  });

  describe('durable, then visible', () => {
    it('shows a commit to nobody before it is durable, and to everybody then', async () => {
      const stop = new AbortController();
      const seen = observe(store.watch('', 1, stop.signal)[Symbol.asyncIterator]().next());
      const begun = observe(store.commit([], [put('a', '1')]));
      await turn();
      expect([begun.settled, seen.settled]).toEqual([false, false]);
      expect(await store.get('a')).toBeUndefined();
      expect(await store.list('')).toEqual({ revision: 0, records: [] });
      await storage.release();
      expect(await begun.promise).toEqual({ ok: true, revision: 1 });
      expect(await seen.promise).toMatchObject({ value: { revision: 1, changes: [{ name: 'a' }] } });
      expect(await store.list('')).toMatchObject({ revision: 1, records: [{ value: '1' }] });
    });

    it('decides a commit by those before it, durable or not', async () => {
      const first = observe(store.commit([{ name: 'a', modRevision: 0 }], [put('a', '1')]));
      const second = observe(store.commit([{ name: 'a', modRevision: 1 }], [put('a', '2')]));
      const late = observe(store.commit([{ name: 'a', modRevision: 1 }], [put('a', 'late')]));
      await storage.release(1);
      expect([first.settled, second.settled, late.settled]).toEqual([true, false, false]);
      expect(await store.get('a')).toMatchObject({ value: '1' });
      await storage.release();
      expect(await second.promise).toEqual({ ok: true, revision: 2 });
      expect(await late.promise).toMatchObject({
        ok: false,
        revision: 2,
        current: [{ value: '2', modRevision: 2 }],
      });
    });

    it('answers nothing that rests on what is not yet durable', async () => {
      const lease = store.grant(60_000);
      await storage.release();
      const { id } = await lease;
      const waiting = [
        store.commit([], [put('a')]),
        store.commit([{ name: 'a', modRevision: 0 }], []),
        store.commit([{ name: 'a', modRevision: 1 }], []),
        store.revoke(id),
        store.revoke(id),
        store.keepAlive(id),
        store.commit([], [{ type: 'put', name: 'b', value: '', lease: id }]),
      ].map((promise: Promise<unknown>) => observe(promise));
      await turn();
      expect(waiting.map(({ settled }) => settled)).toEqual(waiting.map(() => false));
      await storage.release();
      expect(await Promise.all(waiting.map(({ promise }) => promise))).toMatchObject([
        { ok: true },
        { ok: false, current: [{ name: 'a' }] },
        { ok: true, revision: 1 },
        undefined,
        undefined,
        false,
        { ok: false, reason: 'lease-gone' },
      ]);
    });

    it('ends a lapsed lease for good before it says so', async () => {
      const lease = store.grant(1000);
      await storage.release();
      const { id } = await lease;
      clock.nowMs += 1000;
      const answer = observe(store.keepAlive(id));
      await turn();
      expect(answer.settled).toBe(false);
      await storage.release();
      expect(await answer.promise).toBe(false);
      store = await open();
      expect(await store.keepAlive(id)).toBe(false);
    });
  });

  describe('when the disk fails', () => {
    it('says that the outcome is not known, ends the watches, and answers nothing from then on', async () => {
      const watch = observe(store.watch('', 1, new AbortController().signal)[Symbol.asyncIterator]().next());
      const begun = observe(store.commit([], [put('a')]));
      const reader = observe(store.commit([{ name: 'a', modRevision: 0 }], []));
      await storage.fail();
      await expect(begun.promise).rejects.toEqual(code('store-failed'));
      await expect(reader.promise).rejects.toEqual(code('store-failed'));
      await expect(watch.promise).rejects.toEqual(code('store-failed'));
      await expect(store.get('a')).rejects.toEqual(code('store-closed'));
      await expect(store.list('')).rejects.toEqual(code('store-closed'));
      await expect(store.commit([], [])).rejects.toEqual(code('store-closed'));
      await store.expireLeases();
    });

    it.each([0, 1, 2])(
      'has all of a commit or nothing when it is opened again; %i of 2 were written',
      async (reached) => {
        const first = observe(store.commit([], [put('a'), put('b')]));
        const second = observe(store.commit([], [put('c'), { type: 'del', name: 'a' }]));
        await storage.fail(reached);
        expect([first.settled, second.settled]).toEqual([true, true]);
        storage = new HeldStorage(disk);
        store = await open();
        const { revision, records } = await store.list('');
        expect(revision).toBe(reached);
        expect(records.map(({ name }) => name)).toEqual([[], ['a', 'b'], ['b', 'c']][reached]);
      },
    );

    it('has decided nothing when the storage refuses a commit', async () => {
      storage.refusal = new StoreError('too-many-requests', 'The write queue is full.');
      await expect(store.commit([], [put('a')])).rejects.toEqual(code('too-many-requests'));
      const next = store.commit([{ name: 'a', modRevision: 0 }], [put('a')]);
      await storage.release();
      expect(await next).toEqual({ ok: true, revision: 1 });
    });

    it('tries again to end a lease when the storage refuses', async () => {
      const lease = store.grant(1000);
      await storage.release();
      clock.nowMs += 1000;
      storage.refusal = new StoreError('too-many-requests', 'The write queue is full.');
      await store.expireLeases();
      const ended = store.expireLeases();
      await storage.release();
      await ended;
      expect(await store.keepAlive((await lease).id)).toBe(false);
    });
  });

  describe('bounds', () => {
    it('takes no more when it is full, but deletes and what makes it smaller', async () => {
      storage = new HeldStorage(disk);
      store = await open({ storeBytesMax: 10 });
      const full = store.commit([], [put('a', '1234'), put('b', '1234')]);
      await storage.release();
      await full;
      await expect(store.commit([], [put('c')])).rejects.toEqual(code('disk-full'));
      await expect(store.commit([], [put('a', '12345')])).rejects.toEqual(code('disk-full'));
      const taken = [
        store.commit([], [put('a', '4321')]),
        store.commit([], [put('a', '1'), put('c', '12')]),
        store.commit([], [{ type: 'del', name: 'a' }]),
      ];
      await storage.release();
      expect(await Promise.all(taken)).toMatchObject([{ ok: true }, { ok: true }, { ok: true }]);
    });
  });

  describe('refuses to open', () => {
    const record = { name: 'a', value: '', createRevision: 1, modRevision: 1, lease: undefined };
    const counters = { revision: 1, records: 1, lastLease: 0 };
    const rowOf = (value: typeof record & { lease?: unknown }): [Buffer, Buffer] => [
      metadataKey(value.name),
      encodeRecord(value),
    ];
    const countersRow = (value: typeof counters): [Buffer, Buffer] => [COUNTERS_KEY, encodeCounters(value)];

    it.each<[string, string, [Buffer, Buffer][]]>([
      ['a damaged row', 'store-corrupt', [[metadataKey('a'), Buffer.from([1, 2, 3])], countersRow(counters)]],
      ['a row of another format', 'store-format', [[metadataKey('cluster'), Buffer.from('{"v":1}')]]],
      ['records without counters', 'store-corrupt', [rowOf(record)]],
      ['a missing record', 'store-corrupt', [countersRow(counters)]],
      [
        'a record too many',
        'store-corrupt',
        [rowOf(record), rowOf({ ...record, name: 'b' }), countersRow(counters)],
      ],
      [
        'a record newer than the store',
        'store-corrupt',
        [rowOf({ ...record, modRevision: 2 }), countersRow(counters)],
      ],
      [
        'a record written before it was created',
        'store-corrupt',
        [rowOf({ ...record, createRevision: 2 }), countersRow({ ...counters, revision: 2 })],
      ],
      [
        'a record of no lease',
        'store-corrupt',
        [
          [metadataKey('a'), encodeRecord({ ...record, lease: leaseId(1) })],
          countersRow({ ...counters, lastLease: 1 }),
        ],
      ],
      [
        'a lease never granted',
        'store-corrupt',
        [[leaseKey(leaseId(1)), encodeLease(leaseId(1), 1000)], countersRow({ ...counters, records: 0 })],
      ],
    ])('%s', async (_which, expected, rows) => {
      await disk.write(rows.map(([key, value]) => ({ type: 'put', key, value })));
      await expect(open()).rejects.toEqual(code(expected));
    });

    it('nothing that it has written itself', async () => {
      await disk.write(
        [rowOf(record), countersRow(counters)].map(([key, value]) => ({ type: 'put', key, value })),
      );
      store = await open();
      expect((await store.list('')).records).toEqual([record]);
    });
  });
});

describe('LevelMetadataStore on LevelDB', () => {
  it('makes a thousand commits at once durable with few fsyncs', async () => {
    const directory = await TemporaryDirectory.create();
    const rounds: number[] = [];
    const observer = { round: ({ writes }: { writes: number }) => rounds.push(writes) };
    const options = { directory: directory.path, owner: 'a test', observer };
    const storage: Storage = await LevelStorage.open(options);
    const store = await LevelMetadataStore.open(storage, { clock: new ManualClock() });
    try {
      const names = Array.from({ length: 1000 }, (_unused, i) => `conf/${i}`);
      const commits = names.map((name) => store.commit([{ name, modRevision: 0 }], [put(name)]));
      expect(await Promise.all(commits)).toEqual(names.map((_name, i) => ({ ok: true, revision: i + 1 })));
      expect(rounds.reduce((sum, writes) => sum + writes, 0)).toBe(1000);
      expect(rounds.length).toBeLessThanOrEqual(3);
    } finally {
      await store.close();
      await storage.close();
      await directory.remove();
    }
  });
});
