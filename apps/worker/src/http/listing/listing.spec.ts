/** The parts of a listing: positions, ranges, the merge, and what stays true while keys come and go. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { decodeCursor, encodeCursor } from './cursor.js';
import { isEmpty, keyRange } from './key-range.js';
import { mergeInKeyOrder, type Source } from './key-order-merge.js';

const CLUSTER = '0123456789abcdef0123456789abcdef';
const OTHER = 'f123456789abcdef0123456789abcdef';

const keys = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes));

describe('cursors', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(keys, (key) => {
        expect(decodeCursor(CLUSTER, encodeCursor(CLUSTER, key))).toEqual(key);
      }),
    );
  });

  it('of another cluster say so', () => {
    const cursor = encodeCursor(OTHER, Buffer.from('k'));
    expect(() => decodeCursor(CLUSTER, cursor)).toThrow(
      `cursor is of another cluster, ${OTHER}; this one is ${CLUSTER}`,
    );
  });

  it('that are cut, altered or made up are refused', () => {
    const cursor = encodeCursor(CLUSTER, Buffer.from('key'));
    const refused = (text: string) =>
      expect(() => decodeCursor(CLUSTER, text)).toThrow(/not one that a listing has given/);
    for (let i = 0; i < cursor.length; i += 1) {
      refused(cursor.slice(0, i));
      refused(cursor.slice(0, i) + (cursor[i] === 'A' ? 'B' : 'A') + cursor.slice(i + 1));
    }
    for (const text of ['', 'x', '!', `${cursor}=`, `${cursor}AAAA`, 'A'.repeat(5000)]) refused(text);
  });
});

describe('key ranges', () => {
  const limit = fc.option(keys, { nil: undefined });

  it('hold exactly the keys that every limit lets through', () => {
    fc.assert(
      fc.property(limit, limit, limit, limit, keys, (prefix, start, end, behind, key) => {
        const range = keyRange({ prefix, start, end, behind });
        const isIn = range.from.compare(key) <= 0 && (range.to === undefined || key.compare(range.to) < 0);
        const isWanted =
          (prefix === undefined || key.subarray(0, prefix.length).equals(prefix)) &&
          (start === undefined || key.compare(start) >= 0) &&
          (end === undefined || key.compare(end) < 0) &&
          (behind === undefined || key.compare(behind) > 0);
        expect(isIn).toBe(isWanted);
        if (isIn) expect(isEmpty(range)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['', undefined],
    ['ff', undefined],
    ['ffff', undefined],
    ['61', '62'],
    ['61ff', '62'],
    ['00', '01'],
  ])('prefix %s ends before %s', (prefix, to) => {
    const range = keyRange({
      prefix: Buffer.from(prefix, 'hex'),
      start: undefined,
      end: undefined,
      behind: undefined,
    });
    expect(range.to?.toString('hex')).toBe(to);
  });
});

describe('the merge', () => {
  interface Entry {
    readonly key: Buffer;
  }

  /** A partition of `names`, which a test may change meanwhile, in pages of any size. */
  function source(
    names: Set<string>,
    pageSize: () => number,
    asked: { now: number; most: number },
  ): Source<Entry> {
    return async (from, limit) => {
      asked.now += 1;
      asked.most = Math.max(asked.most, asked.now);
      await Promise.resolve();
      asked.now -= 1;
      const left = [...names].sort().filter((name) => name >= from.toString('latin1'));
      const page = left.slice(0, Math.min(limit, pageSize()));
      const last = page.at(-1);
      const isLast = page.length === left.length;
      return {
        entries: page.map((name) => ({ key: Buffer.from(name, 'latin1') })),
        next: isLast ? undefined : last === undefined ? from : Buffer.from(`${last}\0`, 'latin1'),
      };
    };
  }

  const options = { from: Buffer.alloc(0), pageEntries: 4, fetchesMax: 3, runEntriesMax: 10 };
  const names = fc.uniqueArray(
    fc.string({ minLength: 1, maxLength: 4 }).map((text) => Buffer.from(text).toString('latin1')),
    { maxLength: 80 },
  );

  it('gives every key once, in order, whatever the pages are, and asks no more sources than it may', async () => {
    await fc.assert(
      fc.asyncProperty(
        names,
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1 }),
        async (all, count, sizes) => {
          const parts = Array.from({ length: count }, () => new Set<string>());
          all.forEach((name, i) => parts[(i * 7) % count]?.add(name));
          const asked = { now: 0, most: 0 };
          // An empty page that leads on is allowed, but not for ever.
          let turn = 0;
          const size = (): number => {
            turn += 1;
            return Math.max(turn % 3 === 0 ? 1 : 0, sizes[turn % sizes.length] ?? 1);
          };
          const got: string[] = [];
          for await (const run of mergeInKeyOrder(
            parts.map((part) => source(part, size, asked)),
            options,
          )) {
            expect(run.length).toBeGreaterThan(0);
            expect(run.length).toBeLessThanOrEqual(options.runEntriesMax);
            got.push(...run.map(({ key }) => key.toString('latin1')));
          }
          expect(got).toEqual([...all].sort());
          expect(asked.most).toBeLessThanOrEqual(options.fetchesMax);
        },
      ),
    );
  });

  it('a key that exists throughout is seen once and in order while others come and go', async () => {
    await fc.assert(
      fc.asyncProperty(names, names, async (stay, come) => {
        const parts = Array.from({ length: 4 }, () => new Set<string>());
        const partOf = (name: string): Set<string> | undefined => parts[name.charCodeAt(0) % 4];
        for (const name of stay) partOf(name)?.add(name);
        const fickle = come.filter((name) => !stay.includes(name));
        const got: string[] = [];
        let i = 0;
        for await (const run of mergeInKeyOrder(
          parts.map((part) => source(part, () => 3, { now: 0, most: 0 })),
          options,
        )) {
          got.push(...run.map(({ key }) => key.toString('latin1')));
          const name = fickle[i % Math.max(1, fickle.length)];
          if (name !== undefined && i % 2 === 0) partOf(name)?.add(name);
          else if (name !== undefined) partOf(name)?.delete(name);
          i += 1;
        }
        expect(got).toEqual([...new Set(got)].sort());
        expect(got).toEqual(expect.arrayContaining(stay));
      }),
    );
  });

  it('throws what a source fails with, also when it was fetched ahead', async () => {
    const failing: Source<Entry> = (from) =>
      from.length === 0
        ? Promise.resolve({
            entries: [{ key: Buffer.from('a') }, { key: Buffer.from('b') }],
            next: Buffer.from('c'),
          })
        : Promise.reject(new Error('gone'));
    const got: string[] = [];
    await expect(
      (async () => {
        for await (const run of mergeInKeyOrder([failing], options))
          got.push(...run.map(({ key }) => key.toString()));
      })(),
    ).rejects.toThrow('gone');
    expect(got).toEqual(['a', 'b']);
  });
});
