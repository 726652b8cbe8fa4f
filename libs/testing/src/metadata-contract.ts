/**
 * What every provider of the `MetadataStore` port promises, as one suite. A provider's contract spec is one call:
 *
 *     describeMetadataStore('EtcdMetadataStore', { reopens: true, create: async () => … });
 *
 * Nothing here relies on more than the port says: revisions may skip numbers, leases may be granted for longer than
 * was asked for, and the store may be shared with others.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type {
  Change,
  CommitResult,
  Compare,
  LeaseId,
  MetadataStore,
  RecordChange,
  WatchNews,
} from '@diststore/metadata';
import {
  COMMIT_BYTES_MAX,
  COMMIT_OPERATIONS_MAX,
  LEASE_TTL_MS_MAX,
  LEASE_TTL_MS_MIN,
  NAME_LENGTH_MAX,
  VALUE_BYTES_MAX,
} from '@diststore/metadata';

export interface MetadataAdapter {
  /** True when what was committed can be opened again. Adds the tests of that. */
  readonly reopens: boolean;
  /** A place for one store, empty. */
  create(): Promise<MetadataFixture>;
}

export interface MetadataFixture {
  /** Opens the store: empty at first, then as the last one was left, which is closed by then. */
  open(): Promise<MetadataStore>;
  /** Lets time pass on the newest store, and what lapses in it end. */
  passTime(ms: number): Promise<void>;
  /** Makes the newest store forget its history up to its present revision, at the cost of records below `compact/`. */
  compact(): Promise<void>;
  /** Called when the newest store is closed. */
  remove(): Promise<void>;
}

const CLOSED = expect.objectContaining({ code: 'store-closed' });
const TOO_LARGE = expect.objectContaining({ code: 'value-too-large' });
/** For tests that wait for leases of a provider whose time cannot be turned. */
const LEASE_TEST_MS = 30_000;
const NO_LEASE = '999999999999' as LeaseId;

const put = (name: string, value = '', lease?: LeaseId): Change =>
  lease === undefined ? { type: 'put', name, value } : { type: 'put', name, value, lease };
const del = (name: string): Change => ({ type: 'del', name });
const absent = (name: string): Compare => ({ name, modRevision: 0 });

async function done(result: Promise<CommitResult>): Promise<number> {
  const settled = await result;
  if (!settled.ok) throw new Error(`The commit was refused: ${JSON.stringify(settled)}`);
  return settled.revision;
}

/** `a=1` for a put, `a` for a delete. */
const shown = ({ name, record }: RecordChange): string =>
  record === undefined ? name : `${name}=${record.value}`;
const news = (revision: number, ...changes: string[]): [number, string[]] => [revision, changes];

/** One watch, read as far as a test asks. */
class Watch {
  private readonly stop = new AbortController();
  private readonly iterator: AsyncIterator<WatchNews>;

  constructor(store: MetadataStore, prefix: string, fromRevision: number) {
    this.iterator = store.watch(prefix, fromRevision, this.stop.signal)[Symbol.asyncIterator]();
  }

  next(): Promise<IteratorResult<WatchNews>> {
    return this.iterator.next();
  }

  abort(): void {
    this.stop.abort();
  }

  async take(count: number): Promise<[number, string[]][]> {
    const taken: [number, string[]][] = [];
    while (taken.length < count) {
      const step = await this.next();
      if (step.done === true)
        throw new Error(`The watch has ended after ${taken.length} of ${count} commits.`);
      if (step.value.type === 'compacted') throw new Error('The watch was compacted.');
      taken.push([step.value.revision, step.value.changes.map(shown)]);
    }
    return taken;
  }

  /** Ends the watch. REQUIRES: nothing is being waited for. */
  async end(): Promise<void> {
    this.abort();
    expect(await this.next()).toEqual({ value: undefined, done: true });
  }
}

export function describeMetadataStore(name: string, adapter: MetadataAdapter): void {
  describe(`${name} as a MetadataStore`, () => {
    let fixture: MetadataFixture;
    let store: MetadataStore;

    beforeEach(async () => {
      fixture = await adapter.create();
      store = await fixture.open();
    });

    afterEach(async () => {
      await store.close();
      await fixture.remove();
    });

    const commit = (...changes: Change[]): Promise<number> => done(store.commit([], changes));
    const valueOf = async (record: string): Promise<string | undefined> => (await store.get(record))?.value;
    const namesBelow = async (prefix: string): Promise<string[]> =>
      (await store.list(prefix)).records.map((record) => record.name);

    /** Returns the names, in order. */
    const commitThousands = async (): Promise<string[]> => {
      const names = Array.from({ length: 2500 }, (_unused, i) => `w/${String(i).padStart(4, '0')}`);
      for (let i = 0; i < names.length; i += COMMIT_OPERATIONS_MAX) {
        await commit(...names.slice(i, i + COMMIT_OPERATIONS_MAX).map((each) => put(each, each)));
      }
      return names;
    };

    describe('get and list', () => {
      it('answer undefined and an empty list where there is nothing', async () => {
        expect(await store.get('a')).toBeUndefined();
        expect((await store.list('a')).records).toEqual([]);
        expect((await store.list('')).records).toEqual([]);
      });

      it('show a record with its revisions', async () => {
        const created = await commit(put('conf/1', 'one'));
        const modified = await commit(put('conf/1', 'two'));
        const record = {
          name: 'conf/1',
          value: 'two',
          createRevision: created,
          modRevision: modified,
          lease: undefined,
        };
        expect(await store.get('conf/1')).toEqual(record);
        expect(await store.list('conf/')).toEqual({ revision: modified, records: [record] });
      });

      it('list by prefix in byte order, the name that equals the prefix included', async () => {
        const names = ['a', 'a!', 'a/', 'a/1', 'a/10', 'a/2', 'aA', 'a~', 'b'];
        await commit(...[...names].reverse().map((each) => put(each)));
        expect(await namesBelow('')).toEqual(names);
        expect(await namesBelow('a/')).toEqual(['a/', 'a/1', 'a/10', 'a/2']);
        expect(await namesBelow('a/1')).toEqual(['a/1', 'a/10']);
        expect(await namesBelow('a~~')).toEqual([]);
      });

      it('list as of the newest commit, wherever it was made', async () => {
        await commit(put('a'));
        const revision = await commit(put('b'));
        expect((await store.list('a')).revision).toBe(revision);
        expect((await store.list('none')).revision).toBe(revision);
      });

      it('list thousands of records', async () => {
        const names = await commitThousands();
        expect(await namesBelow('w/')).toEqual(names);
      });

      it.each([
        ['empty', ''],
        ['JSON', JSON.stringify({ v: 1, text: 'a "quoted"\nline' })],
        ['control characters', '\0\u0001\r\n\u007f'],
        ['beyond ASCII', 'é ☃ 😀 \u2028 \uffff'],
        ['of the largest size', 'x'.repeat(VALUE_BYTES_MAX)],
      ])('give back a value that is %s', async (_which, value) => {
        await commit(put('a', value));
        expect((await valueOf('a')) === value).toBe(true);
      });
    });

    describe('commit', () => {
      it('gives all changes of one commit one revision, higher than any before', async () => {
        const first = await commit(put('a'), put('b'));
        const second = await commit(del('a'), put('b'), put('c'));
        expect(second).toBeGreaterThan(first);
        expect((await store.list('')).records).toMatchObject([
          { name: 'b', createRevision: first, modRevision: second },
          { name: 'c', createRevision: second, modRevision: second },
        ]);
      });

      it('makes a record that was deleted and put again a new one', async () => {
        await commit(put('a'));
        await commit(del('a'));
        const again = await commit(put('a'));
        expect(await store.get('a')).toMatchObject({ createRevision: again, modRevision: again });
      });

      it('counts a put of the same value as a change, and a delete of what is absent as none', async () => {
        const first = await commit(put('a', 'same'));
        const second = await commit(put('a', 'same'));
        expect(second).toBeGreaterThan(first);
        expect(await commit(del('b'), del('c'))).toBe(second);
        expect(await commit()).toBe(second);
        expect((await store.list('')).revision).toBe(second);
      });

      it('compares the modRevision; 0 is absent', async () => {
        const first = await done(store.commit([absent('a')], [put('a', '1')]));
        expect(await store.commit([absent('a')], [put('a', 'x')])).toMatchObject({ ok: false });
        const second = await done(store.commit([{ name: 'a', modRevision: first }], [put('a', '2')]));
        expect(await store.commit([{ name: 'a', modRevision: first }], [put('a', 'x')])).toMatchObject({
          ok: false,
        });
        expect(await store.commit([{ name: 'b', modRevision: second }], [put('b', 'x')])).toMatchObject({
          ok: false,
        });
        await done(store.commit([{ name: 'a', modRevision: second }], [del('a')]));
        await done(store.commit([absent('a')], []));
      });

      it('compares the createRevision, which modifying does not move; 0 is absent', async () => {
        const created = await done(store.commit([{ name: 'a', createRevision: 0 }], [put('a')]));
        await commit(put('a', 'modified'));
        await done(store.commit([{ name: 'a', createRevision: created }], [put('b')]));
        expect(await store.commit([{ name: 'a', createRevision: 0 }], [])).toMatchObject({ ok: false });
        await commit(del('a'));
        await commit(put('a'));
        expect(await store.commit([{ name: 'a', createRevision: created }], [del('b')])).toMatchObject({
          ok: false,
        });
        expect(await valueOf('b')).toBe('');
      });

      it('shows the compared records, in the order of the compares, when one does not hold, and changes nothing', async () => {
        const a = await commit(put('a', '1'));
        const b = await commit(put('b', '2'));
        const compares = [
          { name: 'b', modRevision: b },
          { name: 'none', modRevision: 0 },
          { name: 'a', modRevision: b },
          { name: 'a', createRevision: a },
        ];
        const [recordA, recordB] = [await store.get('a'), await store.get('b')];
        expect(await store.commit(compares, [put('a', 'x'), put('c'), del('b')])).toEqual({
          ok: false,
          reason: 'compare-failed',
          revision: b,
          current: [recordB, undefined, recordA, recordA],
        });
        expect(await namesBelow('')).toEqual(['a', 'b']);
        expect(await valueOf('a')).toBe('1');
      });

      it('lets one of many win that compare the same revision', async () => {
        const results = await Promise.all(
          Array.from({ length: 50 }, (_unused, i) => store.commit([absent('a')], [put('a', String(i))])),
        );
        const winners = results.flatMap((result, i) => (result.ok ? [String(i)] : []));
        expect(winners).toEqual([await valueOf('a')]);
        for (const result of results) {
          if (!result.ok) expect(result).toMatchObject({ current: [{ value: winners[0] }] });
        }
      });

      it('loses no update of those who retry with what the refusal showed them', async () => {
        const adders = 10;
        const rounds = 5;
        const add = async (): Promise<void> => {
          let known = await store.get('sum');
          for (;;) {
            const compare = { name: 'sum', modRevision: known?.modRevision ?? 0 };
            const result = await store.commit([compare], [put('sum', String(Number(known?.value ?? 0) + 1))]);
            if (result.ok) return;
            if (result.reason === 'compare-failed') [known] = result.current;
          }
        };
        for (let i = 0; i < rounds; i += 1) await Promise.all(Array.from({ length: adders }, add));
        expect(await valueOf('sum')).toBe(String(adders * rounds));
      });

      it('takes a thousand commits at once, each with a revision of its own', async () => {
        const names = Array.from({ length: 1000 }, (_unused, i) => `n/${i}`);
        const revisions = await Promise.all(
          names.map((each) => done(store.commit([absent(each)], [put(each)]))),
        );
        expect(new Set(revisions).size).toBe(names.length);
        expect((await namesBelow('n/')).length).toBe(names.length);
      });

      it('is seen by a read that is begun after the acknowledgement', async () => {
        for (let i = 0; i < 10; i += 1) {
          const revision = await commit(put('a', String(i)));
          expect(await valueOf('a')).toBe(String(i));
          expect((await store.list('')).revision).toBe(revision);
        }
      });

      it('takes COMMIT_OPERATIONS_MAX compares and changes, and no more', async () => {
        const names = Array.from({ length: COMMIT_OPERATIONS_MAX }, (_unused, i) => `n/${i}`);
        await done(
          store.commit(
            names.map(absent),
            names.map((each) => put(each)),
          ),
        );
        const refused = await store.commit(names.map(absent), []);
        expect(refused).toMatchObject({ ok: false, current: names.map((each) => ({ name: each })) });
        await expect(store.commit([...names, 'one-more'].map(absent), [])).rejects.toThrow(
          'COMMIT_OPERATIONS_MAX',
        );
        await expect(commit(...[...names, 'one-more'].map(del))).rejects.toThrow('COMMIT_OPERATIONS_MAX');
      });

      it('refuses what is too large, and changes nothing', async () => {
        await expect(commit(put('a', 'x'.repeat(VALUE_BYTES_MAX + 1)))).rejects.toEqual(TOO_LARGE);
        await expect(commit(put('a', '☃'.repeat(VALUE_BYTES_MAX / 2)))).rejects.toEqual(TOO_LARGE);
        const parts = COMMIT_BYTES_MAX / VALUE_BYTES_MAX;
        const whole = Array.from({ length: parts }, (_unused, i) =>
          put(`p${i}`, 'x'.repeat(VALUE_BYTES_MAX - 2)),
        );
        await expect(commit(...whole, put('x'))).rejects.toEqual(TOO_LARGE);
        expect(await namesBelow('')).toEqual([]);
        await commit(...whole);
        expect((await namesBelow('')).length).toBe(parts);
      });

      it.each([
        ['an empty name', [put('')]],
        ['a name with a space', [put('a b')]],
        ['a name beyond ASCII', [put('é')]],
        ['a name that is too long', [put('n'.repeat(NAME_LENGTH_MAX + 1))]],
        ['a name that is changed twice', [put('a'), del('a')]],
        ['a value that is no text', [put('a', '\ud800')]],
      ])('is not written for %s', async (_which, changes) => {
        await expect(commit(...changes)).rejects.toMatchObject({ name: 'InvariantError' });
      });

      it.each([-1, 0.5, NaN, 2 ** 53])('is not written for a compare with revision %d', async (revision) => {
        const compares = [{ name: 'a', modRevision: revision }];
        await expect(store.commit(compares, [])).rejects.toMatchObject({ name: 'InvariantError' });
      });

      it('takes the longest name', async () => {
        const longest = 'n'.repeat(NAME_LENGTH_MAX);
        await commit(put(longest, 'x'));
        expect(await valueOf(longest)).toBe('x');
      });
    });

    describe('watch', () => {
      it('gives the history from the revision asked for, then what happens', async () => {
        await commit(put('a', '1'));
        const second = await commit(put('a', '2'));
        const third = await commit(del('a'));
        const watch = new Watch(store, 'a', second);
        expect(await watch.take(2)).toEqual([news(second, 'a=2'), news(third, 'a')]);
        const next = watch.take(1);
        const fourth = await commit(put('a', '4'));
        expect(await next).toEqual([news(fourth, 'a=4')]);
        await watch.end();
      });

      it('gives every commit whole, less what is not below the prefix', async () => {
        const base = await commit(put('conf/1', '1'), put('other', '1'));
        const watch = new Watch(store, 'conf/', base);
        const both = await commit(put('conf/1', '2'), put('other', '2'), put('conf/2', '2'));
        await commit(put('other', '3'), put('conf', '3'));
        const last = await commit(del('conf/1'), del('conf/none'), put('conf/2', '4'));
        const taken = await watch.take(3);
        expect(taken.map(([revision, changes]) => [revision, [...changes].sort()])).toEqual([
          news(base, 'conf/1=1'),
          news(both, 'conf/1=2', 'conf/2=2'),
          news(last, 'conf/1', 'conf/2=4'),
        ]);
        await watch.end();
      });

      it('gives the records as the commit left them', async () => {
        const lease = await store.grant(LEASE_TTL_MS_MAX);
        const created = await commit(put('a', '1', lease.id));
        const modified = await commit(put('a', '2'));
        const watch = new Watch(store, '', created);
        const record = {
          name: 'a',
          value: '1',
          createRevision: created,
          modRevision: created,
          lease: lease.id,
        };
        expect((await watch.next()).value).toMatchObject({ changes: [{ name: 'a', record }] });
        const after = { ...record, value: '2', modRevision: modified, lease: undefined };
        expect((await watch.next()).value).toMatchObject({ changes: [{ name: 'a', record: after }] });
        await watch.end();
      });

      it('misses nothing from the revision after a listing on, however many commits come at once', async () => {
        await commit(put('n/0', '0'));
        const { revision } = await store.list('n/');
        const commits = Array.from({ length: 200 }, (_unused, i) => commit(put(`n/${i}`, 'x')));
        const watch = new Watch(store, 'n/', revision + 1);
        const taken = await watch.take(200);
        const revisions = taken.map(([each]) => each);
        expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
        expect(revisions).toEqual((await Promise.all(commits)).sort((a, b) => a - b));
        await watch.end();
      });

      it('waits for a revision still to come, and leaves out what is before it', async () => {
        const base = await commit(put('a', '0'));
        const watch = new Watch(store, 'a', base + 2);
        const next = watch.take(1);
        await commit(put('a', '1'));
        const second = await commit(put('a', '2'));
        expect(await next).toEqual([news(second, 'a=2')]);
        await watch.end();
      });

      it('gives several watchers the same, each at its own pace', async () => {
        const base = await commit(put('a', '0'));
        const [slow, fast] = [new Watch(store, 'a', base), new Watch(store, 'a', base)];
        expect(await slow.take(1)).toEqual([news(base, 'a=0')]);
        const revisions = [base, await commit(put('a', '1')), await commit(put('a', '2'))];
        const all = revisions.map((revision, i) => news(revision, `a=${i}`));
        expect(await fast.take(3)).toEqual(all);
        expect(await slow.take(2)).toEqual(all.slice(1));
        await Promise.all([slow.end(), fast.end()]);
      });

      it('says compacted, and ends, when what is wanted is no longer known', async () => {
        const base = await commit(put('a', '0'));
        await fixture.compact();
        const watch = new Watch(store, 'a', base);
        expect(await watch.next()).toEqual({ value: { type: 'compacted' }, done: false });
        expect(await watch.next()).toEqual({ value: undefined, done: true });
        // As the port advises: list again, and go on from there.
        const { revision } = await store.list('a');
        const again = new Watch(store, 'a', revision + 1);
        const next = again.take(1);
        const last = await commit(put('a', '1'));
        expect(await next).toEqual([news(last, 'a=1')]);
        await again.end();
      });

      it('ends without an error when its signal is aborted: before, while it waits, and with news left', async () => {
        const base = await commit(put('a', '0'));
        const before = new Watch(store, 'a', base);
        before.abort();
        expect(await before.next()).toEqual({ value: undefined, done: true });

        const waiting = new Watch(store, 'a', base + 1);
        const next = waiting.next();
        waiting.abort();
        expect(await next).toEqual({ value: undefined, done: true });

        await commit(put('a', '1'));
        const unread = new Watch(store, 'a', base);
        expect(await unread.take(1)).toEqual([news(base, 'a=0')]);
        await unread.end();
      });

      it.each([0, -1, 1.5, NaN])('is refused from revision %d', (revision) => {
        expect(() => store.watch('', revision, new AbortController().signal)).toThrow('revision');
      });
    });

    describe('leases', () => {
      it(
        'delete their records in one commit when they lapse',
        async () => {
          const lease = await store.grant(LEASE_TTL_MS_MIN);
          expect(lease.ttlMs).toBeGreaterThanOrEqual(LEASE_TTL_MS_MIN);
          const base = await commit(put('l/1', '', lease.id), put('l/2', '', lease.id), put('stays'));
          expect(await store.get('l/1')).toMatchObject({ lease: lease.id });
          const watch = new Watch(store, '', base + 1);
          await fixture.passTime(lease.ttlMs);
          expect(await namesBelow('')).toEqual(['stays']);
          const [[revision, changes] = news(0)] = await watch.take(1);
          expect([...changes].sort()).toEqual(['l/1', 'l/2']);
          expect((await store.list('')).revision).toBe(revision);
          expect(await store.keepAlive(lease.id)).toBe(false);
          await watch.end();
        },
        LEASE_TEST_MS,
      );

      it(
        'live on for as long as they are kept alive',
        async () => {
          const lease = await store.grant(LEASE_TTL_MS_MIN);
          await commit(put('a', '', lease.id));
          for (let i = 0; i < 3; i += 1) {
            await fixture.passTime(lease.ttlMs / 2);
            expect(await store.keepAlive(lease.id)).toBe(true);
          }
          expect(await namesBelow('')).toEqual(['a']);
          await fixture.passTime(lease.ttlMs);
          expect(await namesBelow('')).toEqual([]);
        },
        LEASE_TEST_MS,
      );

      it('delete their records at once when they are revoked, and again do nothing', async () => {
        const lease = await store.grant(LEASE_TTL_MS_MAX);
        const base = await commit(put('a', '', lease.id), put('b', '', lease.id), put('c'));
        await store.revoke(lease.id);
        const { revision, records } = await store.list('');
        expect(records.map((record) => record.name)).toEqual(['c']);
        expect(revision).toBeGreaterThan(base);
        await store.revoke(lease.id);
        await store.revoke(NO_LEASE);
        expect((await store.list('')).revision).toBe(revision);
        expect(await store.keepAlive(lease.id)).toBe(false);
        expect(await store.keepAlive(NO_LEASE)).toBe(false);
      });

      it('that hold no record come and go without a revision', async () => {
        const base = await commit(put('a'));
        const [first, second] = [await store.grant(LEASE_TTL_MS_MAX), await store.grant(LEASE_TTL_MS_MAX)];
        expect(first.id).not.toBe(second.id);
        await store.revoke(first.id);
        expect((await store.list('')).revision).toBe(base);
      });

      it('hold a record from its last put only', async () => {
        const [first, second] = [await store.grant(LEASE_TTL_MS_MAX), await store.grant(LEASE_TTL_MS_MAX)];
        await commit(
          put('freed', '', first.id),
          put('moved', '', first.id),
          put('taken'),
          put('again', '', first.id),
        );
        await commit(put('freed'), put('moved', '', second.id), put('taken', '', first.id), del('again'));
        await commit(put('again'));
        await store.revoke(first.id);
        expect(await namesBelow('')).toEqual(['again', 'freed', 'moved']);
        await store.revoke(second.id);
        expect(await namesBelow('')).toEqual(['again', 'freed']);
      });

      it('that have ended refuse a commit, once its compares hold', async () => {
        const lease = await store.grant(LEASE_TTL_MS_MAX);
        await store.revoke(lease.id);
        const base = await commit(put('a'));
        const changes = [put('b'), put('c', '', lease.id)];
        expect(await store.commit([], changes)).toEqual({ ok: false, reason: 'lease-gone', lease: lease.id });
        expect(await store.commit([absent('a')], changes)).toMatchObject({ reason: 'compare-failed' });
        expect(await store.list('')).toMatchObject({ revision: base, records: [{ name: 'a' }] });
      });

      it.each([0, LEASE_TTL_MS_MIN - 1, LEASE_TTL_MS_MAX + 1, NaN])(
        'are not granted for %d ms',
        async (ttlMs) => {
          await expect(store.grant(ttlMs)).rejects.toMatchObject({ name: 'InvariantError' });
        },
      );

      it(
        'elect one leader at a time, and a former one changes nothing',
        async () => {
          const campaign = async (candidate: string): Promise<Compare | undefined> => {
            const { id } = await store.grant(LEASE_TTL_MS_MIN);
            const result = await store.commit(
              [{ name: 'leader', createRevision: 0 }],
              [put('leader', candidate, id)],
            );
            return result.ok ? { name: 'leader', createRevision: result.revision } : undefined;
          };
          const first = await campaign('first');
          expect(await campaign('second')).toBeUndefined();
          if (first === undefined) throw new Error('Nobody leads.');
          await done(store.commit([first], [put('target', 'by the first')]));
          // The first goes silent for longer than any provider's shortest lease.
          await fixture.passTime(10 * LEASE_TTL_MS_MIN);
          const second = await campaign('second');
          if (second === undefined) throw new Error('Nobody leads.');
          await done(store.commit([second], [put('target', 'by the second')]));
          expect(await store.commit([first], [put('target', 'too late')])).toMatchObject({ ok: false });
          expect(await valueOf('target')).toBe('by the second');
        },
        LEASE_TEST_MS,
      );
    });

    describe('close', () => {
      it('settles what was begun, ends the watches and refuses everything else', async () => {
        const { id } = await store.grant(LEASE_TTL_MS_MAX);
        const base = await commit(put('a'));
        const watch = new Watch(store, '', base + 1);
        const next = watch.next();
        const begun = commit(put('a', 'begun'));
        const closed = store.close();
        await expect(next).rejects.toEqual(CLOSED);
        expect(await begun).toBeGreaterThan(base);
        await Promise.all([closed, store.close()]);
        await expect(store.get('a')).rejects.toEqual(CLOSED);
        await expect(store.list('')).rejects.toEqual(CLOSED);
        await expect(store.commit([], [])).rejects.toEqual(CLOSED);
        await expect(store.grant(LEASE_TTL_MS_MIN)).rejects.toEqual(CLOSED);
        await expect(store.keepAlive(id)).rejects.toEqual(CLOSED);
        await expect(store.revoke(id)).rejects.toEqual(CLOSED);
        await expect(new Watch(store, '', 1).next()).rejects.toEqual(CLOSED);
      });
    });

    if (!adapter.reopens) return;
    describe('opened again', () => {
      const reopen = async (): Promise<void> => {
        await store.close();
        store = await fixture.open();
      };

      it('has the records as they were, and revisions go on from where they were', async () => {
        await commit(put('a', '1'), put('b', '1'));
        await commit(put('a', '2'));
        const last = await commit(del('b'));
        const before = await store.list('');
        await reopen();
        expect(await store.list('')).toEqual(before);
        await done(
          store.commit([{ name: 'a', modRevision: before.records[0]?.modRevision ?? 0 }], [put('a', '3')]),
        );
        expect((await store.get('a'))?.modRevision).toBeGreaterThan(last);
      });

      it('has thousands of records', async () => {
        const names = await commitThousands();
        await reopen();
        expect(await namesBelow('w/')).toEqual(names);
      });

      it('can be watched from the revision after the last one on', async () => {
        const base = await commit(put('a'));
        await reopen();
        const watch = new Watch(store, '', base + 1);
        const next = watch.take(1);
        const revision = await commit(put('a', '1'));
        expect(await next).toEqual([news(revision, 'a=1')]);
        await watch.end();
      });

      it(
        'has the leases with their records, and gives out new ids',
        async () => {
          const lease = await store.grant(LEASE_TTL_MS_MIN);
          const revoked = await store.grant(LEASE_TTL_MS_MAX);
          await store.revoke(revoked.id);
          await commit(put('a', '', lease.id));
          await reopen();
          expect(await store.keepAlive(lease.id)).toBe(true);
          expect(await store.keepAlive(revoked.id)).toBe(false);
          expect([lease.id, revoked.id]).not.toContain((await store.grant(LEASE_TTL_MS_MAX)).id);
          expect(await namesBelow('')).toEqual(['a']);
          await fixture.passTime(lease.ttlMs);
          expect(await namesBelow('')).toEqual([]);
        },
        LEASE_TEST_MS,
      );
    });
  });
}
