/**
 * What every provider of the `Storage` port promises, as one suite. A provider's contract spec is one call:
 *
 *     describeStorage('MemoryStorage', { durable: false, open: ({ observer }) => … });
 *
 * What a provider does beyond the port (files, locks, damage) is tested beside it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type {
  Entry,
  KeyRange,
  PageOptions,
  Reader,
  Storage,
  StorageObserver,
  WriteOp,
} from '@diststore/storage';
import { PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, QUEUE_BYTES_MAX, QUEUE_WRITES_MAX } from '@diststore/storage';

import { TemporaryDirectory } from './temporary-directory.js';

export interface StorageAdapter {
  /** True when what was written can be opened again. Adds the tests of that. */
  readonly durable: boolean;
  /** Opens the store of `directory`, which is empty at first. */
  open(options: { readonly directory: string; readonly observer: StorageObserver }): Promise<Storage>;
}

/** Beyond every key of these tests. */
const EVERYTHING: KeyRange = { gte: Buffer.alloc(0), lt: Buffer.alloc(8, 0xff) };
const CLOSED = expect.objectContaining({ code: 'store-closed' });

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const put = (key: string, value = ''): WriteOp => ({ type: 'put', key: latin1(key), value: latin1(value) });
const del = (key: string): WriteOp => ({ type: 'del', key: latin1(key) });
const range = (gte: string, lt: string): KeyRange => ({ gte: latin1(gte), lt: latin1(lt) });
const keysOf = (entries: readonly Entry[]): string[] => entries.map(({ key }) => key.toString('latin1'));

/** The whole range, read page by page. */
async function readAll(reader: Reader, from = EVERYTHING, options: PageOptions = {}): Promise<Entry[]> {
  const entries: Entry[] = [];
  let { gte, lt } = from;
  for (;;) {
    const page = await reader.page({ gte, lt }, options);
    entries.push(...page.entries);
    const last = page.entries.at(-1);
    if (page.done || last === undefined) return entries;
    if (options.reverse === true) lt = last.key;
    else gte = Buffer.concat([last.key, Buffer.alloc(1)]);
  }
}

export function describeStorage(name: string, adapter: StorageAdapter): void {
  describe(`${name} as a Storage`, () => {
    let directory: TemporaryDirectory;
    let storage: Storage;
    let rounds: number[];
    const observer: StorageObserver = { round: ({ writes }) => rounds.push(writes) };

    beforeEach(async () => {
      rounds = [];
      directory = await TemporaryDirectory.create();
      storage = await adapter.open({ directory: directory.path, observer });
    });

    afterEach(async () => {
      await storage.close();
      await directory.remove();
    });

    describe('get, getSync, read', () => {
      it('find what was written, an empty value included, and answer undefined for what is absent', async () => {
        await storage.write([put('a', 'one'), put('empty')]);
        for (const [key, value] of [
          ['a', latin1('one')],
          ['empty', Buffer.alloc(0)],
          ['b', undefined],
        ] as const) {
          expect(storage.getSync(latin1(key))).toEqual(value);
          expect(await storage.get(latin1(key))).toEqual(value);
          expect(await storage.read(latin1(key))).toEqual(value);
        }
      });

      it('tell keys of any bytes apart', async () => {
        const keys = [
          '\x00',
          '\x00\x00',
          '\x00\x01',
          '\x7f',
          '\x80',
          '\xc3\xa9',
          '\xfe\xff',
          '\xff',
          '\xff\xff',
        ];
        await storage.write(keys.map((key) => put(key, `value of ${key}`)));
        for (const key of keys) expect(storage.getSync(latin1(key))).toEqual(latin1(`value of ${key}`));
        expect(keysOf(await readAll(storage))).toEqual(keys);
      });

      it('see a write as soon as it has resolved', async () => {
        for (let i = 0; i < 20; i += 1) {
          await storage.write([put('k', String(i))]);
          expect(storage.getSync(latin1('k'))).toEqual(latin1(String(i)));
        }
      });

      it('give away the buffers they return', async () => {
        await storage.write([put('k', 'value')]);
        storage.getSync(latin1('k'))?.fill('x');
        (await storage.get(latin1('k')))?.fill('x');
        (await storage.read(latin1('k')))?.fill('x');
        const [entry] = (await storage.page(EVERYTHING)).entries;
        entry?.key.fill('x');
        entry?.value.fill('x');
        expect(await readAll(storage)).toEqual([{ key: latin1('k'), value: latin1('value') }]);
      });

      it('read 100 keys at once', async () => {
        const names = Array.from({ length: 100 }, (_unused, i) => `k${i}`);
        await storage.write(names.map((key) => put(key, key)));
        const values = await Promise.all(names.map(async (key) => storage.read(latin1(key))));
        expect(values.map(String)).toEqual(names);
      });
    });

    describe('page', () => {
      const letters = 'abcdefghij'.split('');

      it('lists a range in byte order, its start included and its end not', async () => {
        await storage.write([...letters].reverse().map((key) => put(key, key.toUpperCase())));
        const page = await storage.page(range('c', 'f'));
        expect(page).toEqual({
          entries: ['c', 'd', 'e'].map((key) => ({ key: latin1(key), value: latin1(key.toUpperCase()) })),
          done: true,
        });
      });

      it('lists a range backwards, from its end', async () => {
        await storage.write(letters.map((key) => put(key)));
        const page = await storage.page(range('c', 'f'), { reverse: true, limit: 2 });
        expect([keysOf(page.entries), page.done]).toEqual([['e', 'd'], false]);
        expect(keysOf(await readAll(storage, EVERYTHING, { reverse: true, limit: 3 }))).toEqual(
          [...letters].reverse(),
        );
      });

      it.each([
        ['between two keys', range('bb', 'bc')],
        ['whose ends are equal', range('c', 'c')],
        ['whose end is before its start', range('f', 'c')],
        ['that ends before the first key', { gte: Buffer.alloc(0), lt: Buffer.alloc(0) }],
        ['behind the last key', range('\xff', '\xff\xff')],
      ])('finds nothing in a range %s', async (_which, empty) => {
        await storage.write(letters.map((key) => put(key)));
        for (const reverse of [false, true]) {
          expect(await storage.page(empty, { reverse })).toEqual({ entries: [], done: true });
        }
      });

      it('reaches from the empty key to keys of 0xff', async () => {
        const keys = ['\x00', 'm', '\xfe\xff', '\xff', '\xff\xff\xff'];
        await storage.write(keys.map((key) => put(key)));
        expect(keysOf((await storage.page(EVERYTHING)).entries)).toEqual(keys);
        expect(keysOf((await storage.page(range('\xfe', '\xff'))).entries)).toEqual(['\xfe\xff']);
      });

      it.each([
        [9, 9, false],
        [10, 10, true],
        [11, 10, true],
      ])('with limit %i holds %i of 10 entries; done: %s', async (limit, length, done) => {
        await storage.write(letters.map((key) => put(key)));
        for (const reverse of [false, true]) {
          const page = await storage.page(EVERYTHING, { limit, reverse });
          expect([page.entries.length, page.done]).toEqual([length, done]);
        }
      });

      it('holds PAGE_ENTRIES_MAX entries when no limit is given, and refuses a larger or empty one', async () => {
        const keys = Array.from({ length: PAGE_ENTRIES_MAX + 1 }, (_unused, i) => String(i).padStart(6, '0'));
        await storage.write(keys.map((key) => put(key)));
        const page = await storage.page(EVERYTHING);
        expect([page.entries.length, page.done]).toEqual([PAGE_ENTRIES_MAX, false]);
        expect(keysOf(await readAll(storage))).toEqual(keys);
        await expect(storage.page(EVERYTHING, { limit: PAGE_ENTRIES_MAX + 1 })).rejects.toThrow(
          'PAGE_ENTRIES_MAX',
        );
        await expect(storage.page(EVERYTHING, { limit: 0 })).rejects.toThrow('PAGE_ENTRIES_MAX');
      });

      it('ends at the first entry that takes it past PAGE_BYTES_MAX', async () => {
        const value = 'v'.repeat(PAGE_BYTES_MAX / 4);
        await storage.write(letters.map((key) => put(key, value)));
        for (const reverse of [false, true]) {
          const page = await storage.page(EVERYTHING, { reverse });
          expect([page.entries.length, page.done]).toEqual([4, false]);
        }
        expect(keysOf(await readAll(storage))).toEqual(letters);
        expect((await storage.page(range('g', 'z'))).done).toBe(true);
      });

      it('holds one entry when that alone is larger than PAGE_BYTES_MAX', async () => {
        const value = 'v'.repeat(2 * PAGE_BYTES_MAX);
        await storage.write([put('a', value), put('b', value)]);
        const first = await storage.page(EVERYTHING);
        expect([keysOf(first.entries), first.done]).toEqual([['a'], false]);
        const last = await storage.page(range('b', 'c'));
        expect([keysOf(last.entries), last.done]).toEqual([['b'], true]);
      });
    });

    describe('write', () => {
      it('applies its operations in their order', async () => {
        await storage.write([put('a', '1'), put('a', '2'), put('b', '1'), del('b'), del('c'), put('c', '1')]);
        expect(await readAll(storage)).toEqual([
          { key: latin1('a'), value: latin1('2') },
          { key: latin1('c'), value: latin1('1') },
        ]);
      });

      it('takes effect in the order of the calls', async () => {
        const order: number[] = [];
        await Promise.all(
          Array.from({ length: 50 }, async (_unused, i) => {
            await storage.write([put('last', String(i)), i % 2 === 0 ? put('flag') : del('flag')]);
            order.push(i);
          }),
        );
        expect(order).toEqual(Array.from({ length: 50 }, (_unused, i) => i));
        expect(storage.getSync(latin1('last'))).toEqual(latin1('49'));
        expect(storage.getSync(latin1('flag'))).toBeUndefined();
      });

      it('shows each write to readers wholly or not at all', async () => {
        const done = new AbortController();
        const written = Promise.all(
          Array.from({ length: 200 }, (_unused, i) =>
            storage.write([put('left', String(i)), put('right', String(i))]),
          ),
        ).finally(() => done.abort());
        const seen = new Set<string>();
        while (!done.signal.aborted) {
          const [left, right] = (await storage.page(EVERYTHING)).entries;
          seen.add(`${String(left?.value)} ${String(right?.value)}`);
          await nextTurn();
        }
        await written;
        for (const pair of seen) expect(pair).toMatch(/^(\w+) \1$/);
      });

      it('deletes what is absent, and writes nothing, without complaint', async () => {
        await storage.write([del('absent')]);
        await storage.write([]);
        expect(await readAll(storage)).toEqual([]);
      });

      it('does not keep the buffers it was given', async () => {
        const key = latin1('k');
        const value = latin1('value');
        await storage.write([{ type: 'put', key, value }]);
        key.fill('x');
        value.fill('x');
        expect(await readAll(storage)).toEqual([{ key: latin1('k'), value: latin1('value') }]);
      });

      it('shares a round with the writes of the same turn, and with those that arrive meanwhile', async () => {
        const first = Array.from({ length: 100 }, (_unused, i) => storage.write([put(`a${i}`)]));
        await first[0];
        await Promise.all([
          ...first,
          ...Array.from({ length: 50 }, (_unused, i) => storage.write([put(`b${i}`)])),
        ]);
        expect(rounds).toEqual([100, 50]);
      });

      it('is refused before the call returns when QUEUE_WRITES_MAX wait, and accepted when they are written', async () => {
        const accepted = Array.from({ length: QUEUE_WRITES_MAX }, (_unused, i) =>
          storage.write([put(String(i % 10))]),
        );
        expect(() => storage.write([put('refused')])).toThrow(
          expect.objectContaining({ code: 'too-many-requests' }),
        );
        await Promise.all(accepted);
        expect(storage.getSync(latin1('refused'))).toBeUndefined();
        await storage.write([put('later')]);
        expect(storage.getSync(latin1('later'))).toBeDefined();
      });

      it('is refused when QUEUE_BYTES_MAX would be passed, but a single write of any size is accepted', async () => {
        const value = Buffer.alloc(QUEUE_BYTES_MAX);
        const large = storage.write([{ type: 'put', key: latin1('large'), value }]);
        expect(() => storage.write([put('k')])).toThrow(
          expect.objectContaining({ code: 'too-many-requests' }),
        );
        await large;
        expect(storage.getSync(latin1('large'))?.length).toBe(QUEUE_BYTES_MAX);
      });
    });

    describe('a trailer', () => {
      const trailer = (slot: object, value: string, calls: string[] = []) => ({
        slot,
        toOp: (): WriteOp => {
          calls.push(value);
          return put('trailer', value);
        },
      });

      it('is written once per slot and round, the last one, after all operations', async () => {
        const calls: string[] = [];
        const slot = {};
        await Promise.all(
          ['1', '2', '3'].map((value) =>
            storage.write([put('trailer', 'an operation')], trailer(slot, value, calls)),
          ),
        );
        expect(calls).toEqual(['3']);
        expect(storage.getSync(latin1('trailer'))).toEqual(latin1('3'));
      });

      it('of another slot is written as well', async () => {
        const calls: string[] = [];
        await Promise.all([
          storage.write([], trailer({}, 'of one', calls)),
          storage.write([], trailer({}, 'of two', calls)),
          storage.write([put('k')]),
        ]);
        expect(calls).toEqual(['of one', 'of two']);
      });

      it('is written again in every round that has one', async () => {
        const slot = {};
        for (const value of ['1', '2', '3']) {
          await storage.write([], trailer(slot, value));
          expect(storage.getSync(latin1('trailer'))).toEqual(latin1(value));
        }
      });
    });

    describe('a snapshot', () => {
      it('shows the store as it was, whatever is written afterwards', async () => {
        await storage.write([put('changed', 'old'), put('deleted', 'old')]);
        const snapshot = storage.snapshot();
        await storage.write([put('changed', 'new'), del('deleted'), put('added', 'new')]);
        expect(snapshot.getSync(latin1('changed'))).toEqual(latin1('old'));
        expect(await snapshot.get(latin1('deleted'))).toEqual(latin1('old'));
        expect(await snapshot.get(latin1('added'))).toBeUndefined();
        expect(keysOf(await readAll(snapshot))).toEqual(['changed', 'deleted']);
        expect(keysOf(await readAll(storage))).toEqual(['added', 'changed']);
        await snapshot.close();
      });

      it('has a state of its own beside others', async () => {
        const snapshots = [];
        for (const value of ['1', '2', '3']) {
          await storage.write([put('k', value)]);
          snapshots.push(storage.snapshot());
        }
        expect(snapshots.map((snapshot) => String(snapshot.getSync(latin1('k'))))).toEqual(['1', '2', '3']);
        await Promise.all(snapshots.map((snapshot) => snapshot.close()));
      });

      it('refuses to be read when it is closed, while the store goes on', async () => {
        const snapshot = storage.snapshot();
        await snapshot.close();
        expect(() => snapshot.getSync(latin1('k'))).toThrow(CLOSED);
        await expect(snapshot.get(latin1('k'))).rejects.toEqual(CLOSED);
        await expect(snapshot.page(EVERYTHING)).rejects.toEqual(CLOSED);
        expect(storage.getSync(latin1('k'))).toBeUndefined();
      });
    });

    describe('close', () => {
      it('settles the writes already accepted and refuses later ones at once', async () => {
        const accepted = Array.from({ length: 20 }, (_unused, i) => storage.write([put(String(i))]));
        const closing = storage.close();
        expect(() => storage.write([put('late')])).toThrow(CLOSED);
        await expect(Promise.all(accepted)).resolves.toHaveLength(20);
        await closing;
      });

      it('makes every later call fail with store-closed', async () => {
        await storage.write([put('k')]);
        await storage.close();
        expect(() => storage.write([put('k')])).toThrow(CLOSED);
        expect(() => storage.getSync(latin1('k'))).toThrow(CLOSED);
        expect(() => storage.snapshot()).toThrow(CLOSED);
        await expect(storage.get(latin1('k'))).rejects.toEqual(CLOSED);
        await expect(storage.page(EVERYTHING)).rejects.toEqual(CLOSED);
        await expect(Promise.resolve().then(() => storage.read(latin1('k')))).rejects.toEqual(CLOSED);
      });

      it('may be called again, before and after it is done', async () => {
        await Promise.all([storage.close(), storage.close()]);
        await expect(storage.close()).resolves.toBeUndefined();
      });

      it('lets the reads under way answer or fail with store-closed, never hang', async () => {
        await storage.write(Array.from({ length: 500 }, (_unused, i) => put(String(i))));
        const reads = [
          storage.get(latin1('1')),
          storage.page(EVERYTHING),
          storage.page(EVERYTHING, { reverse: true }),
        ];
        const [outcomes] = await Promise.all([Promise.allSettled(reads), storage.close()]);
        for (const outcome of outcomes)
          if (outcome.status === 'rejected') expect(outcome.reason).toEqual(CLOSED);
      });
    });

    if (adapter.durable) {
      describe('opened again', () => {
        const reopen = async (): Promise<void> => {
          await storage.close();
          storage = await adapter.open({ directory: directory.path, observer });
        };

        it('holds what was written, and not what was deleted', async () => {
          await storage.write([put('a', '1'), put('b', '1'), put('\xff\x00')]);
          await storage.write([put('a', '2'), del('b')]);
          await reopen();
          expect(await readAll(storage)).toEqual([
            { key: latin1('a'), value: latin1('2') },
            { key: latin1('\xff\x00'), value: Buffer.alloc(0) },
          ]);
        });

        it('holds the writes that close had to wait for', async () => {
          const accepted = Array.from({ length: 100 }, (_unused, i) =>
            storage.write([put(String(i).padStart(3, '0'))]),
          );
          await reopen();
          await Promise.all(accepted);
          expect(await readAll(storage)).toHaveLength(100);
        });

        it('goes on many times over', async () => {
          for (let i = 0; i < 5; i += 1) {
            await storage.write([put(String(i))]);
            await reopen();
          }
          expect(keysOf(await readAll(storage))).toEqual(['0', '1', '2', '3', '4']);
        });
      });
    }
  });
}
