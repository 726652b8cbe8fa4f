import { setImmediate as nextTurn } from 'node:timers/promises';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { GroupCommit } from './group-commit.js';
import { QUEUE_BYTES_MAX, QUEUE_WRITES_MAX, ROUND_BYTES_MAX, ROUND_WRITES_MAX } from './limits.js';
import type { WriteOp } from './storage.js';

const put = (key: string, bytes = 0): WriteOp => ({
  type: 'put',
  key: Buffer.from(key),
  value: Buffer.alloc(bytes),
});
const CLOSED = expect.objectContaining({ code: 'store-closed' });
const FULL = expect.objectContaining({ code: 'too-many-requests' });

/** A disk whose syncs the test finishes one by one. */
class FakeDisk {
  readonly batches: string[][] = [];
  private finish: { resolve: () => void; reject: (error: Error) => void } | undefined;

  readonly commit = (ops: readonly WriteOp[]): Promise<void> => {
    expect(this.finish).toBeUndefined();
    this.batches.push(ops.map(({ key }) => key.toString()));
    return new Promise((resolve, reject) => (this.finish = { resolve, reject }));
  };

  /** Lets the batch under way succeed, or fail with `error`, and the next one begin. */
  async settle(error?: Error): Promise<void> {
    const { finish } = this;
    expect(finish).toBeDefined();
    this.finish = undefined;
    if (error === undefined) finish?.resolve();
    else finish?.reject(error);
    await nextTurn();
  }
}

describe('GroupCommit', () => {
  let disk: FakeDisk;
  let rounds: { writes: number; bytes: number }[];
  let failures: Error[];
  let commits: GroupCommit;
  /** What has settled, in order. */
  let settled: string[];

  beforeEach(() => {
    disk = new FakeDisk();
    rounds = [];
    failures = [];
    settled = [];
    commits = new GroupCommit(disk.commit, {
      round: ({ writes, bytes }) => rounds.push({ writes, bytes }),
      failed: (error) => failures.push(error),
    });
  });

  function write(name: string, bytes = 0): void {
    commits.write([put(name, bytes)]).then(
      () => settled.push(name),
      (error: unknown) => settled.push(`${name}: ${(error as { code: string }).code}`),
    );
  }

  it('has one batch under way; what arrives meanwhile shares the next one', async () => {
    write('a');
    write('b');
    await nextTurn();
    write('c');
    write('d');
    await nextTurn();
    expect(disk.batches).toEqual([['a', 'b']]);
    expect(settled).toEqual([]);
    await disk.settle();
    expect(settled).toEqual(['a', 'b']);
    expect(disk.batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    await disk.settle();
    expect(settled).toEqual(['a', 'b', 'c', 'd']);
    write('e');
    await nextTurn();
    expect(disk.batches.at(-1)).toEqual(['e']);
    await disk.settle();
  });

  it('writes and settles in the order of the calls, over many rounds', async () => {
    const names = Array.from({ length: 2 * ROUND_WRITES_MAX + 10 }, (_unused, i) => String(i));
    for (const name of names) write(name);
    await nextTurn();
    for (let round = 0; round < 3; round += 1) await disk.settle();
    expect(disk.batches.map(({ length }) => length)).toEqual([ROUND_WRITES_MAX, ROUND_WRITES_MAX, 10]);
    expect(disk.batches.flat()).toEqual(names);
    expect(settled).toEqual(names);
  });

  it('never splits a write over two batches, and ends a round before the write that would pass its bytes', async () => {
    const third = Math.floor(ROUND_BYTES_MAX / 3);
    for (const name of ['a', 'b', 'c', 'd']) write(name, third);
    await nextTurn();
    await disk.settle();
    await disk.settle();
    expect(disk.batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(rounds.every(({ bytes }) => bytes <= ROUND_BYTES_MAX)).toBe(true);
  });

  it('lets a write larger than a round ride alone, in its turn', async () => {
    write('small');
    write('large', ROUND_BYTES_MAX + 1);
    write('after');
    await nextTurn();
    for (let round = 0; round < 3; round += 1) await disk.settle();
    expect(disk.batches).toEqual([['small'], ['large'], ['after']]);
  });

  it('lets a write larger than the whole queue pass an empty one', async () => {
    write('huge', QUEUE_BYTES_MAX + 1);
    expect(() => commits.write([put('next')])).toThrow(FULL);
    await nextTurn();
    write('next');
    await disk.settle();
    await disk.settle();
    expect(settled).toEqual(['huge', 'next']);
  });

  it('refuses at once when QUEUE_WRITES_MAX wait, and counts the round under way no more', async () => {
    write('first');
    await nextTurn();
    for (let i = 0; i < QUEUE_WRITES_MAX; i += 1) void commits.write([]);
    expect(() => commits.write([put('refused')])).toThrow(FULL);
    await disk.settle();
    write('accepted');
    expect(disk.batches.flat()).not.toContain('refused');
    const closing = commits.close();
    for (let round = 0; round < QUEUE_WRITES_MAX / ROUND_WRITES_MAX + 1; round += 1) await disk.settle();
    await closing;
    expect(settled).toEqual(['first', 'accepted']);
  });

  it('refuses at once when QUEUE_BYTES_MAX would be passed', async () => {
    const half = QUEUE_BYTES_MAX / 2;
    write('a', half - 100);
    write('b', half - 100);
    expect(() => commits.write([put('c', 300)])).toThrow(FULL);
    write('d', 20);
    await nextTurn();
    for (const round of ['a', 'b', 'd']) {
      expect(disk.batches.at(-1)).toEqual([round]);
      await disk.settle();
    }
  });

  it('tells the observer what shared each fsync', async () => {
    write('a', 88 - 1);
    write('b', 88 - 1);
    await nextTurn();
    await disk.settle();
    expect(rounds).toEqual([{ writes: 2, bytes: 200 }]);
  });

  it('writes the last trailer of each slot, as of its own write', async () => {
    const [one, two] = [{}, {}];
    const trailer = (slot: object, key: string) => ({ slot, toOp: () => put(key) });
    void commits.write([put('a')], trailer(one, 'one, first'));
    void commits.write([put('b')], trailer(two, 'two'));
    void commits.write([put('c')], trailer(one, 'one, last'));
    await nextTurn();
    void commits.write([put('d')], trailer(one, 'one, next round'));
    await disk.settle();
    await disk.settle();
    expect(disk.batches).toEqual([
      ['a', 'b', 'c', 'one, last', 'two'],
      ['d', 'one, next round'],
    ]);
  });

  describe('when a batch fails', () => {
    const error = new Error('EIO: i/o error, fdatasync');

    it('rejects those under way with store-failed and those waiting with store-closed, in order', async () => {
      write('a');
      write('b');
      await nextTurn();
      write('c');
      write('d');
      await disk.settle(error);
      expect(settled).toEqual(['a: store-failed', 'b: store-failed', 'c: store-closed', 'd: store-closed']);
      expect(disk.batches).toEqual([['a', 'b']]);
    });

    it('writes nothing any more and tells the observer once', async () => {
      write('a');
      await nextTurn();
      write('b');
      await disk.settle(error);
      expect(() => commits.write([put('c')])).toThrow(CLOSED);
      await nextTurn();
      expect(() => commits.write([put('d')])).toThrow(CLOSED);
      expect(disk.batches).toEqual([['a']]);
      expect(rounds).toEqual([]);
      expect(failures).toEqual([expect.objectContaining({ code: 'store-failed', cause: error })]);
    });

    it('still closes', async () => {
      write('a');
      await nextTurn();
      const closing = commits.close();
      await disk.settle(error);
      await closing;
      await commits.close();
      expect(settled).toEqual(['a: store-failed']);
    });

    it('treats a batch that cannot even be built in the same way', async () => {
      const toOp = (): WriteOp => {
        throw new Error('broken');
      };
      const written = commits.write([put('a')], { slot: {}, toOp });
      await expect(written).rejects.toMatchObject({ code: 'store-failed' });
      expect(disk.batches).toEqual([]);
      expect(failures).toHaveLength(1);
    });
  });

  describe('close', () => {
    it('resolves when everything accepted has settled, and refuses the rest at once', async () => {
      write('a');
      await nextTurn();
      write('b');
      let closed = 0;
      const closing = [commits.close(), commits.close()].map((close) => close.then(() => (closed += 1)));
      expect(() => commits.write([put('c')])).toThrow(CLOSED);
      await disk.settle();
      expect([settled, closed]).toEqual([['a'], 0]);
      await disk.settle();
      await Promise.all(closing);
      expect([settled, closed]).toEqual([['a', 'b'], 2]);
    });

    it('resolves at once when nothing is under way', async () => {
      await commits.close();
      await commits.close();
      expect(() => commits.write([])).toThrow(CLOSED);
    });
  });
});
