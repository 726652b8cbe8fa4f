import { setImmediate as nextTurn } from 'node:timers/promises';

import { beforeEach, describe, expect, it } from '@jest/globals';
import type { WriteOp } from '@diststore/storage';
import { dataKey, dataRange, decodeState, expiredRange, MemoryStorage, stateKey } from '@diststore/storage';
import { FaultyStorage, ManualClock } from '@diststore/testing';

import { Partition } from './partition.js';

const ID = 3;
const A = Buffer.from('a');
const B = Buffer.from('b');
const value = (text: string): Buffer => Buffer.from(text);
const REFUSED = expect.objectContaining({ code: 'too-many-requests' });

describe('Partition', () => {
  let storage: FaultyStorage;
  let clock: ManualClock;
  let partition: Partition;

  const reopen = async (): Promise<void> => {
    partition = await Partition.open(storage, ID, clock);
  };
  const textOf = async (key: Buffer): Promise<string | undefined> => (await partition.get(key))?.payload.toString();
  const rows = async (): Promise<number> => (await storage.page(dataRange(ID))).entries.length;
  const indexRows = async (): Promise<number> =>
    (await storage.page(expiredRange(ID, Number.MAX_SAFE_INTEGER - 1))).entries.length;
  /** As the sweeper does. */
  const sweepCleared = async (): Promise<void> => {
    const { clearedThrough } = partition;
    let from: Buffer | undefined;
    do from = await partition.sweepCleared(from);
    while (from !== undefined);
    await partition.finishClear(clearedThrough);
  };
  /** Whether `promise` is still pending after everything else had its turn. */
  const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
    let pending = true;
    const settle = (): void => void (pending = false);
    promise.then(settle, settle);
    for (let i = 0; i < 5; i += 1) await nextTurn();
    return pending;
  };
  /** Writes what a disk could have made of the row. */
  const damage = async (key: Buffer): Promise<void> => {
    const row = storage.getSync(dataKey(ID, key));
    if (row === undefined) throw new Error('no such row');
    row.writeUInt8(row.readUInt8(row.length - 1) ^ 1, row.length - 1);
    const ops: WriteOp[] = [{ type: 'put', key: dataKey(ID, key), value: row }];
    await storage.write(ops);
  };

  beforeEach(async () => {
    storage = new FaultyStorage(new MemoryStorage());
    clock = new ManualClock(1000);
    await reopen();
  });

  describe('put, get and delete', () => {
    it('store, find and remove a value with what belongs to it', async () => {
      expect(await partition.put(A, value('one'), { contentType: 'text/plain', expireAtMs: 5000 })).toEqual({
        version: 1,
        created: true,
      });
      expect(await partition.get(A)).toEqual({
        version: 1,
        contentType: 'text/plain',
        expireAtMs: 5000,
        payload: value('one'),
      });
      expect(await partition.put(A, value('two'))).toEqual({ version: 2, created: false });
      expect(await partition.get(A)).toEqual({
        version: 2,
        contentType: undefined,
        expireAtMs: 0,
        payload: value('two'),
      });
      expect(await partition.delete(A)).toBe(3);
      expect(await partition.get(A)).toBeUndefined();
      expect(await partition.delete(A)).toBeUndefined();
      expect(await partition.put(A, value(''))).toEqual({ version: 4, created: true });
      expect((await partition.get(A))?.payload).toHaveLength(0);
    });

    it('count keys and bytes', async () => {
      await partition.put(A, value('12345'));
      await partition.put(B, value('1'));
      await partition.put(A, value('123'));
      expect([partition.keys, partition.bytes]).toEqual([2, 1 + 3 + 1 + 1]);
      await partition.delete(B);
      expect([partition.keys, partition.bytes]).toEqual([1, 4]);
      await reopen();
      expect([partition.keys, partition.bytes]).toEqual([1, 4]);
      expect(await partition.put(B, value(''))).toEqual({ version: 5, created: true });
    });

    it('keep partitions apart', async () => {
      const other = await Partition.open(storage, ID + 1, clock);
      await partition.put(A, value('here'));
      expect(await other.get(A)).toBeUndefined();
      expect(await other.put(A, value('there'))).toEqual({ version: 1, created: true });
      await other.clear();
      expect(await textOf(A)).toBe('here');
    });

    it('do not keep the buffers they were given', async () => {
      const key = value('k');
      const payload = value('value');
      const written = partition.put(key, payload);
      key.fill(0);
      payload.fill(0);
      await written;
      expect(await textOf(value('k'))).toBe('value');
    });
  });

  describe('operations that do not wait for each other', () => {
    it('have results as if one came after the other, in the order of the calls', async () => {
      const results = await Promise.all([
        partition.put(A, value('1')),
        partition.put(A, value('2')),
        partition.delete(A),
        partition.delete(A),
        partition.put(A, value('3')),
        partition.clear(),
        partition.put(A, value('4')),
        partition.clear(),
        partition.delete(A),
      ]);
      expect(results).toEqual([
        { version: 1, created: true },
        { version: 2, created: false },
        3,
        undefined,
        { version: 4, created: true },
        1,
        { version: 6, created: true },
        1,
        undefined,
      ]);
      expect([partition.keys, partition.bytes, await textOf(A)]).toEqual([0, 0, undefined]);
    });

    it('become visible only when they are durable', async () => {
      await partition.put(A, value('old'));
      const release = storage.holdWrites();
      const writes = [partition.put(A, value('new')), partition.put(B, value('new'))];
      expect([await textOf(A), await textOf(B)]).toEqual(['old', undefined]);
      expect(await isPending(Promise.all(writes))).toBe(true);
      release();
      await Promise.all(writes);
      expect([await textOf(A), await textOf(B)]).toEqual(['new', 'new']);
    });
  });

  describe('delete of what is absent', () => {
    it('answers at once when it is durably so', async () => {
      const release = storage.holdWrites();
      const other = partition.put(B, value('1'));
      expect(await partition.delete(A)).toBeUndefined();
      release();
      await other;
    });

    it('waits for the delete that it rests on', async () => {
      await partition.put(A, value('1'));
      const release = storage.holdWrites();
      const deletes = [partition.delete(A), partition.delete(A)];
      expect(await isPending(deletes[1] ?? Promise.resolve())).toBe(true);
      release();
      expect(await Promise.all(deletes)).toEqual([2, undefined]);
    });

    it('waits for the clear that it rests on', async () => {
      await partition.put(A, value('1'));
      const release = storage.holdWrites();
      const cleared = partition.clear();
      const deleted = partition.delete(A);
      expect(await isPending(deleted)).toBe(true);
      release();
      expect([await cleared, await deleted]).toEqual([1, undefined]);
    });
  });

  describe('a refused write', () => {
    it('leaves numbering, counters and values as they were', async () => {
      await partition.put(A, value('old'), { expireAtMs: 2000 });
      await partition.clear();
      await partition.put(A, value('old'), { expireAtMs: 2000 });
      await partition.put(B, value('old'));
      clock.nowMs = 3000;
      storage.refuseWrites = true;
      const before = [partition.keys, partition.bytes, partition.clearedThrough, partition.clearPending];
      for (const write of [
        () => partition.put(A, value('new')),
        () => partition.put(value('c'), value('new')),
        () => partition.delete(B),
        () => partition.clear(),
        () => partition.sweepExpired(),
        () => partition.finishClear(partition.clearedThrough),
      ]) {
        await expect(write()).rejects.toEqual(REFUSED);
        expect([partition.keys, partition.bytes, partition.clearedThrough, partition.clearPending]).toEqual(before);
      }
      storage.refuseWrites = false;
      expect(await textOf(B)).toBe('old');
      expect(await partition.put(B, value('new'))).toEqual({ version: 5, created: false });
    });
  });

  describe('after the store has failed', () => {
    it('refuses writes and shows what the disk holds', async () => {
      await partition.put(A, value('durable'));
      storage.failWrites = true;
      const failed = expect.objectContaining({ code: 'store-failed' });
      const writes = [partition.put(A, value('lost')), partition.put(B, value('lost')), partition.clear()];
      for (const write of writes) await expect(write).rejects.toEqual(failed);
      expect([await textOf(A), await textOf(B)]).toEqual(['durable', undefined]);
    });
  });

  describe('clear', () => {
    it('removes everything with one small write, whatever the number of keys', async () => {
      await Promise.all(Array.from({ length: 300 }, (_unused, i) => partition.put(value(`k${i}`), value('v'))));
      const writesBefore = storage.written.length;
      expect(await partition.clear()).toBe(300);
      expect(storage.written.slice(writesBefore)).toEqual([[]]);
      expect([partition.keys, partition.bytes, await textOf(value('k7'))]).toEqual([0, 0, undefined]);
      expect(await rows()).toBe(300);
      await reopen();
      expect([partition.keys, partition.clearPending, await textOf(value('k7'))]).toEqual([0, true, undefined]);
    });

    it('is seen by later writes at once, and by readers when it is durable', async () => {
      await partition.put(A, value('old'));
      await partition.put(B, value('old'));
      const release = storage.holdWrites();
      const cleared = partition.clear();
      const put = partition.put(B, value('new'));
      expect([await textOf(A), await textOf(B), partition.keys]).toEqual(['old', 'old', 1]);
      release();
      expect([await cleared, await put]).toEqual([2, { version: 4, created: true }]);
      expect([await textOf(A), await textOf(B)]).toEqual([undefined, 'new']);
    });

    it('is seen by every reader as soon as one can have seen a write that came after it', async () => {
      await partition.put(A, value('old'));
      const release = storage.holdAcknowledgements();
      const writes = [partition.clear(), partition.put(B, value('new'))];
      while ((await textOf(B)) === undefined) await nextTurn();
      expect(await textOf(A)).toBeUndefined();
      release();
      await Promise.all(writes);
    });

    it('hides what was put before it and is still on its way', async () => {
      const [, cleared] = await Promise.all([partition.put(A, value('1')), partition.clear()]);
      expect([cleared, await textOf(A), partition.keys]).toEqual([1, undefined, 0]);
    });
  });

  describe('sweepCleared', () => {
    it('removes in bounded steps the rows and index rows of before, and leaves later ones', async () => {
      const keys = Array.from({ length: 600 }, (_unused, i) => value(`k${String(i).padStart(3, '0')}`));
      await Promise.all(keys.map((key) => partition.put(key, value('old'), { expireAtMs: 9000 })));
      await partition.clear();
      const kept = [...keys.filter((_key, i) => i % 100 === 0), B];
      await Promise.all(kept.map((key) => partition.put(key, value('new'), { expireAtMs: 9500 })));
      const writesBefore = storage.written.length;
      await sweepCleared();
      expect(storage.written.length - writesBefore).toBe(4); // 600 rows in steps of 256, and the note of the end.
      expect([await rows(), partition.keys, partition.clearPending]).toEqual([7, 7, false]);
      for (const key of kept) expect(await textOf(key)).toBe('new');
      clock.nowMs = 9000;
      while (await partition.sweepExpired());
      expect(await indexRows()).toBe(7);
      await reopen();
      expect([partition.keys, partition.clearPending]).toEqual([7, false]);
    });

    it('leaves a value alone that is put while the step reads', async () => {
      await partition.put(A, value('old'));
      await partition.clear();
      const releaseWrites = storage.holdWrites();
      const put = partition.put(A, value('new'));
      const releasePages = storage.holdPages();
      const swept = partition.sweepCleared(undefined);
      await nextTurn();
      releaseWrites();
      await put;
      releasePages();
      await swept;
      expect(await textOf(A)).toBe('new');
      expect(await rows()).toBe(1);
    });

    it('leaves a value alone whose put is on its way when the step has read', async () => {
      await partition.put(A, value('old'));
      await partition.clear();
      const releasePages = storage.holdPages();
      const swept = partition.sweepCleared(undefined);
      await nextTurn();
      const releaseWrites = storage.holdWrites();
      const put = partition.put(A, value('new'));
      releasePages();
      await nextTurn();
      releaseWrites();
      await Promise.all([swept, put]);
      expect(await textOf(A)).toBe('new');
    });

    it('passes by no row that was still on its way when the clear came', async () => {
      const release = storage.holdWrites();
      const writes = [partition.put(A, value('old')), partition.clear()];
      const swept = sweepCleared();
      expect(await isPending(swept)).toBe(true);
      release();
      await Promise.all([...writes, swept]);
      expect([await rows(), partition.clearPending]).toEqual([0, false]);
    });

    it('is not over when another clear came in between', async () => {
      await partition.put(A, value('1'));
      await partition.clear();
      const { clearedThrough } = partition;
      await partition.sweepCleared(undefined);
      await partition.put(A, value('2'));
      await partition.clear();
      await partition.finishClear(clearedThrough);
      expect(partition.clearPending).toBe(true);
      await sweepCleared();
      expect([await rows(), partition.clearPending]).toEqual([0, false]);
    });

    it('writes nothing where there is nothing to remove', async () => {
      await partition.put(A, value('1'));
      const writesBefore = storage.written.length;
      expect(await partition.sweepCleared(undefined)).toBeUndefined();
      expect(storage.written.length).toBe(writesBefore);
    });

    it('goes on after a restart', async () => {
      await partition.put(A, value('1'));
      await partition.clear();
      await reopen();
      await sweepCleared();
      await reopen();
      expect([await rows(), partition.clearPending]).toEqual([0, false]);
    });
  });

  describe('expiry', () => {
    it('hides a value from its millisecond on, though it is stored and counted until it is swept', async () => {
      await partition.put(A, value('1'), { expireAtMs: 2000 });
      clock.nowMs = 1999;
      expect(await textOf(A)).toBe('1');
      clock.nowMs = 2000;
      expect([await textOf(A), partition.keys]).toEqual([undefined, 1]);
      expect(await partition.sweepExpired()).toBe(false);
      expect([partition.keys, partition.bytes, await rows(), await indexRows()]).toEqual([0, 0, 0, 0]);
    });

    it('lets an expired value be put anew, as one that was not there, and not be deleted', async () => {
      await partition.put(A, value('1'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      expect(await partition.delete(A)).toBeUndefined();
      expect(await partition.put(A, value('2'))).toEqual({ version: 2, created: true });
      expect(partition.keys).toBe(1);
      await partition.sweepExpired();
      expect(await textOf(A)).toBe('2');
    });

    it('in the past is never seen', async () => {
      expect(await partition.put(A, value('1'), { expireAtMs: 1 })).toEqual({ version: 1, created: true });
      expect(await partition.get(A)).toBeUndefined();
    });

    it('goes with the value that it belongs to', async () => {
      await partition.put(A, value('1'), { expireAtMs: 2000 });
      await partition.put(A, value('2'), { expireAtMs: 3000 });
      await partition.put(B, value('1'), { expireAtMs: 2000 });
      await partition.put(B, value('2'));
      expect(await indexRows()).toBe(1);
      clock.nowMs = 2500;
      expect([await textOf(A), await textOf(B)]).toEqual(['2', '2']);
      await partition.delete(A);
      expect(await indexRows()).toBe(0);
    });

    it('is swept in bounded steps, each of one version', async () => {
      await Promise.all(
        Array.from({ length: 600 }, (_unused, i) => partition.put(value(`k${i}`), value('v'), { expireAtMs: 2000 })),
      );
      clock.nowMs = 2000;
      const more: boolean[] = [];
      do more.push(await partition.sweepExpired());
      while (more.at(-1) === true);
      expect(more).toEqual([true, true, false]);
      expect([partition.keys, partition.bytes, await rows(), await indexRows()]).toEqual([0, 0, 0, 0]);
      expect(await partition.put(A, value('1'))).toEqual({ version: 604, created: true });
    });

    it('does not sweep a value that was put anew while the step read', async () => {
      await partition.put(A, value('old'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      const release = storage.holdPages();
      const swept = partition.sweepExpired();
      await partition.put(A, value('new'));
      release();
      await swept;
      expect([await textOf(A), partition.keys]).toEqual(['new', 1]);
    });

    it('goes by a clock that never goes back, for readers and writers alike', async () => {
      await partition.put(A, value('1'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      expect(await partition.get(A)).toBeUndefined();
      clock.nowMs = 1500;
      expect(await partition.get(A)).toBeUndefined();
      await partition.put(B, value('1'));
      await reopen();
      expect(await partition.get(A)).toBeUndefined();
    });

    it('does not set the clock back by a sweep that began before the newest write', async () => {
      await partition.put(A, value('1'), { expireAtMs: 2000 });
      await partition.put(B, value('1'), { expireAtMs: 4000 });
      clock.nowMs = 3000;
      const release = storage.holdPages();
      const swept = partition.sweepExpired();
      clock.nowMs = 5000;
      await partition.put(value('c'), value('1'));
      release();
      await swept;
      clock.nowMs = 3500;
      await reopen();
      expect(await partition.get(B)).toBeUndefined();
    });
  });

  describe('a damaged record', () => {
    beforeEach(async () => {
      await partition.put(A, value('one'), { expireAtMs: 9000 });
      await partition.put(B, value('two'));
      await damage(A);
    });

    it('is not served', async () => {
      await expect(Promise.resolve().then(() => partition.get(A))).rejects.toMatchObject({ code: 'record-corrupt' });
      expect(await textOf(B)).toBe('two');
    });

    it('can be replaced', async () => {
      expect(await partition.put(A, value('new'))).toEqual({ version: 3, created: false });
      expect([await textOf(A), partition.keys]).toEqual(['new', 2]);
      clock.nowMs = 9000;
      await partition.sweepExpired();
      expect([await textOf(A), await indexRows()]).toEqual(['new', 0]);
    });

    it('can be deleted', async () => {
      expect(await partition.delete(A)).toBe(3);
      expect([await partition.get(A), partition.keys]).toEqual([undefined, 1]);
    });

    it('neither passes for absent after a clear nor takes the counters below nothing', async () => {
      await partition.clear();
      await sweepCleared();
      await expect(Promise.resolve().then(() => partition.get(A))).rejects.toMatchObject({ code: 'record-corrupt' });
      await partition.delete(A);
      expect([partition.keys, partition.bytes]).toEqual([0, 0]);
      expect(await partition.put(A, value('new'))).toMatchObject({ created: true });
      expect([partition.keys, partition.bytes]).toEqual([1, 4]);
    });
  });

  describe('open', () => {
    it('refuses a damaged state row', async () => {
      await partition.put(A, value('1'));
      const row = storage.getSync(stateKey(ID)) ?? Buffer.alloc(0);
      expect(decodeState(row).applied).toBe(1);
      row.writeUInt8(row.readUInt8(5) ^ 1, 5);
      await storage.write([{ type: 'put', key: stateKey(ID), value: row }]);
      await expect(reopen()).rejects.toMatchObject({ code: 'store-corrupt' });
    });

    it('refuses data without a state row, as its versions would be given out again', async () => {
      await partition.put(A, value('1'));
      await storage.write([{ type: 'del', key: stateKey(ID) }]);
      await expect(reopen()).rejects.toMatchObject({ code: 'store-corrupt' });
    });
  });
});
