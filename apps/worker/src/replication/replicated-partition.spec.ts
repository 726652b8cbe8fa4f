/**
 * A partition as its callers see it, over the real replica, queue and store. The replica is the only one of its
 * partition; what takes several is in replica-host.spec.ts.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { StoreError } from '@diststore/base';
import { partitionId } from '@diststore/cluster';
import type { Expiry, Result, WriteOperation } from '@diststore/data';
import type { InstalledState, Request } from '@diststore/replication';
import type { WriteOp } from '@diststore/storage';
import {
  dataKey,
  dataRange,
  decodeRecord,
  decodeState,
  encodeRecord,
  expiredRange,
  expiryKey,
  MemoryStorage,
  requestKey,
  stateKey,
} from '@diststore/storage';
import { FaultyStorage, ManualClock } from '@diststore/testing';

import { mapOnOne, partitionsInMemory, SELF } from '../../test/partitions-in-memory.js';
import type { ReplicaHost } from './replica-host.js';
import { PAGE_PAYLOAD_BYTES_MAX } from '../data/partition.js';
import type { ReplicatedPartition } from './replicated-partition.js';
import type { ReplicatedPartitions } from './replicated-partitions.js';
import { REQUEST_ENTRIES_MAX, REQUEST_TTL_MS } from './store/limits.js';
import { readApplied, stateOp } from './store/state-row.js';
import type { WriteLimits } from './write-call.js';

const ID = partitionId(1);
const OTHER = partitionId(0);
const MAP = mapOnOne(SELF, 2);
const MAX_VALUE_BYTES = 1000;
/** As in libs/replication: entries of a partition that are not committed yet. */
const WINDOW_ENTRIES_MAX = 8192;
const A = Buffer.from('a');
const B = Buffer.from('b');
const value = (text: string): Buffer => Buffer.from(text);

describe('ReplicatedPartition of a sole replica', () => {
  let storage: FaultyStorage;
  let clock: ManualClock;
  let host: ReplicaHost;
  let partitions: ReplicatedPartitions;
  let partition: ReplicatedPartition;
  let boot: number;
  /** What would have ended the process. */
  let fatal: unknown[];
  let recordCacheBytes = 0;

  /** As a process would that starts where another one has ended. */
  const start = async (freeSpace?: WriteLimits['freeSpace']): Promise<void> => {
    boot += 1;
    const limits = { maxValueBytes: MAX_VALUE_BYTES, freeSpace };
    const wallNowMs = (): number => clock.wallNowMs();
    const tell = (error: unknown): void => void fatal.push(error);
    ({ host, partitions } = await partitionsInMemory({
      map: MAP,
      limits,
      storage,
      wallNowMs,
      boot,
      // These tests look at what is stored, and change it behind the replica's back.
      recordCacheBytes,
      fatal: tell,
    }));
  };
  const of = (id: typeof ID): ReplicatedPartition => {
    const found = partitions.primary(id);
    if (found === undefined) throw new Error('the partition is not led here');
    return found;
  };
  const reopen = async (freeSpace?: WriteLimits['freeSpace']): Promise<void> => {
    host.close();
    await start(freeSpace);
    partition = of(ID);
  };
  const clearPending = (): boolean => host.seat(ID).store.clearPending;
  const perform = async (operation: WriteOperation, on = partition): Promise<Result> =>
    (await on.perform(operation)).result;
  const put = async (
    key: Buffer,
    bytes: Buffer,
    {
      contentType,
      expireAtMs,
      on,
    }: { contentType?: string; expireAtMs?: number; on?: ReplicatedPartition } = {},
  ): Promise<{ version: number; created: boolean } | Result> => {
    const expiry: Expiry = expireAtMs === undefined ? { type: 'never' } : { type: 'at', atMs: expireAtMs };
    const asked = {
      type: 'put',
      key,
      value: bytes,
      contentType,
      expiry,
      conditions: [],
      returnOld: false,
    } as const;
    const result = await perform(asked, on);
    return result.type === 'stored' ? { version: result.version, created: result.created } : result;
  };
  /** The version, or undefined when there was nothing to delete. */
  const del = async (key: Buffer): Promise<number | undefined> => {
    const result = await perform({ type: 'delete', key, conditions: [], returnOld: false });
    return result.type === 'deleted' ? result.version : undefined;
  };
  /** How many keys were removed. */
  const clear = async (on?: ReplicatedPartition): Promise<number> => {
    const result = await perform({ type: 'clear' }, on);
    return result.type === 'cleared' ? result.removed : -1;
  };
  const textOf = async (key: Buffer): Promise<string | undefined> =>
    (await partition.get(key))?.payload.toString();
  const rows = async (): Promise<number> => (await storage.page(dataRange(ID))).entries.length;
  const indexRows = async (): Promise<number> =>
    (await storage.page(expiredRange(ID, Number.MAX_SAFE_INTEGER - 1))).entries.length;
  /** As the sweeper does. */
  const sweepLeftovers = (): Promise<void> =>
    partition.sweepLeftovers(async () => {
      await nextTurn();
      return true;
    });
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
    boot = 0;
    fatal = [];
    await start();
    partition = of(ID);
  });

  afterEach(() => {
    host.close();
    expect(fatal).toEqual([]);
  });

  describe('put, get and delete', () => {
    it('store, find and remove a value with what belongs to it', async () => {
      expect(await put(A, value('one'), { contentType: 'text/plain', expireAtMs: 5000 })).toEqual({
        version: 1,
        created: true,
      });
      expect(await partition.get(A)).toEqual({
        version: 1,
        contentType: 'text/plain',
        expireAtMs: 5000,
        payload: value('one'),
      });
      expect(await put(A, value('two'))).toEqual({ version: 2, created: false });
      expect(await partition.get(A)).toEqual({
        version: 2,
        contentType: undefined,
        expireAtMs: 0,
        payload: value('two'),
      });
      expect(await del(A)).toBe(3);
      expect(await partition.get(A)).toBeUndefined();
      expect(await del(A)).toBeUndefined();
      expect(await put(A, value(''))).toEqual({ version: 4, created: true });
      expect((await partition.get(A))?.payload).toHaveLength(0);
    });

    it('count keys and bytes', async () => {
      await put(A, value('12345'));
      await put(B, value('1'));
      await put(A, value('123'));
      expect([partition.keys, partition.bytes]).toEqual([2, 1 + 3 + 1 + 1]);
      await del(B);
      expect([partition.keys, partition.bytes]).toEqual([1, 4]);
      await reopen();
      expect([partition.keys, partition.bytes]).toEqual([1, 4]);
      expect(await put(B, value(''))).toEqual({ version: 5, created: true });
    });

    it('keep partitions apart', async () => {
      const other = of(OTHER);
      await put(A, value('here'));
      expect(await other.get(A)).toBeUndefined();
      expect(await put(A, value('there'), { on: other })).toEqual({ version: 1, created: true });
      await clear(other);
      expect(await textOf(A)).toBe('here');
    });

    it('do not need the buffers they were given once they are done', async () => {
      const key = value('k');
      const payload = value('value');
      await put(key, payload);
      key.fill(0);
      payload.fill(0);
      expect(await textOf(value('k'))).toBe('value');
      const appended = { type: 'append', key: value('k'), value: value('!'), conditions: [] } as const;
      expect(await perform(appended)).toMatchObject({ length: 6 });
      expect(await textOf(value('k'))).toBe('value!');
    });

    it('leave nothing of themselves in memory once they are durable', async () => {
      await Promise.all([put(A, value('1')), put(B, value('2'))]);
      await del(A);
      const row = storage.getSync(dataKey(ID, B)) ?? Buffer.alloc(0);
      // What is decided next is decided by what is stored, whatever was written before.
      await storage.write([
        { type: 'put', key: dataKey(ID, A), value: encodeRecord(A, decodeRecord(B, row)) },
      ]);
      expect(await del(A)).toBe(4);
      await storage.write([{ type: 'del', key: dataKey(ID, B) }]);
      expect(await del(B)).toBeUndefined();
    });
  });

  describe('operations that do not wait for each other', () => {
    it('have results as if one came after the other, in the order of the calls', async () => {
      const results = await Promise.all([
        put(A, value('1')),
        put(A, value('2')),
        del(A),
        del(A),
        put(A, value('3')),
        clear(),
        put(A, value('4')),
        clear(),
        del(A),
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
      await put(A, value('old'));
      const release = storage.holdWrites();
      const writes = [put(A, value('new')), put(B, value('new'))];
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
      const other = put(B, value('1'));
      expect(await del(A)).toBeUndefined();
      release();
      await other;
    });

    it('waits for the delete that it rests on', async () => {
      await put(A, value('1'));
      const release = storage.holdWrites();
      const deletes = [del(A), del(A)];
      expect(await isPending(deletes[1] ?? Promise.resolve())).toBe(true);
      release();
      expect(await Promise.all(deletes)).toEqual([2, undefined]);
    });

    it('waits for the clear that it rests on', async () => {
      await put(A, value('1'));
      const release = storage.holdWrites();
      const cleared = clear();
      const deleted = del(A);
      expect(await isPending(deleted)).toBe(true);
      release();
      expect([await cleared, await deleted]).toEqual([1, undefined]);
    });
  });

  describe('while the storage takes no writes', () => {
    // Replicas do not undo what they have numbered, so writes wait in the queue in front of the storage.
    it('lets them wait, and does them in their order when it takes them again', async () => {
      await put(A, value('old'), { expireAtMs: 2000 });
      clock.nowMs = 3000;
      storage.refuseWrites = true;
      const writes = [put(B, value('1')), put(B, value('2')), clear(), put(B, value('3'))];
      const swept = partition.sweepExpired();
      expect(await isPending(Promise.race([...writes, swept]))).toBe(true);
      expect([await textOf(A), await textOf(B)]).toEqual([undefined, undefined]);
      storage.refuseWrites = false;
      expect(await Promise.all(writes)).toEqual([
        { version: 2, created: true },
        { version: 3, created: false },
        2,
        { version: 5, created: true },
      ]);
      await swept;
      expect([await textOf(A), await textOf(B), partition.keys, partition.bytes]).toEqual([
        undefined,
        '3',
        1,
        2,
      ]);
    });

    it('refuses more than may wait, and nothing of that is done', async () => {
      const release = storage.holdWrites();
      const writes = Array.from({ length: WINDOW_ENTRIES_MAX }, () => put(A, value('1')));
      await expect(put(B, value('1'))).rejects.toMatchObject({ code: 'retry-later' });
      release();
      await Promise.all(writes);
      expect(await textOf(B)).toBeUndefined();
      expect(await put(B, value('1'))).toEqual({ version: WINDOW_ENTRIES_MAX + 1, created: true });
    });
  });

  describe('after the store has failed', () => {
    it('ends the process, answers no write, and shows what the disk holds until then', async () => {
      await put(A, value('durable'));
      storage.failWrites = true;
      const writes = [put(A, value('lost')), put(B, value('lost')), clear()];
      for (const write of writes) expect(await isPending(write)).toBe(true);
      expect(fatal).toMatchObject([{ code: 'store-failed' }]);
      fatal = [];
      expect([await textOf(A), await textOf(B)]).toEqual(['durable', undefined]);
      const later = put(B, value('lost'));
      expect(await isPending(later)).toBe(true);
      host.close();
      for (const write of [...writes, later])
        await expect(write).rejects.toMatchObject({ code: 'outcome-unknown' });
    });
  });

  describe('clear', () => {
    it('removes everything with one small write, whatever the number of keys', async () => {
      await Promise.all(Array.from({ length: 300 }, (_unused, i) => put(value(`k${i}`), value('v'))));
      const writesBefore = storage.written.length;
      expect(await clear()).toBe(300);
      const written = storage.written.slice(writesBefore).map((ops) => ops.map(({ key }) => key));
      expect(written).toEqual([[stateKey(ID)]]);
      expect([partition.keys, partition.bytes, await textOf(value('k7'))]).toEqual([0, 0, undefined]);
      expect(await rows()).toBe(300);
      await reopen();
      expect([partition.keys, clearPending(), await textOf(value('k7'))]).toEqual([0, true, undefined]);
    });

    it('is seen by later writes at once, and by readers when it is durable', async () => {
      await put(A, value('old'));
      await put(B, value('old'));
      const release = storage.holdWrites();
      const cleared = clear();
      const later = put(B, value('new'));
      expect([await textOf(A), await textOf(B)]).toEqual(['old', 'old']);
      release();
      expect([await cleared, await later]).toEqual([2, { version: 4, created: true }]);
      expect([await textOf(A), await textOf(B)]).toEqual([undefined, 'new']);
    });

    it('is seen by every reader as soon as one can have seen a write that came after it', async () => {
      await put(A, value('old'));
      const release = storage.holdAcknowledgements();
      const writes = [clear(), put(B, value('new'))];
      while ((await textOf(B)) === undefined) await nextTurn();
      expect(await textOf(A)).toBeUndefined();
      release();
      await Promise.all(writes);
    });

    it('hides what was put before it and is still on its way', async () => {
      const [, cleared] = await Promise.all([put(A, value('1')), clear()]);
      expect([cleared, await textOf(A), partition.keys]).toEqual([1, undefined, 0]);
    });
  });

  describe('sweeps where nothing is written', () => {
    const sweep = async (): Promise<void> => {
      await sweepLeftovers();
      while (await partition.sweepExpired());
    };

    it('read nothing until the next record expires', async () => {
      await put(A, value('short'), { expireAtMs: 2000 });
      await put(B, value('long'), { expireAtMs: 3000 });
      // The second looks ahead.
      for (let i = 0; i < 2; i += 1) await sweep();
      const pages = jest.spyOn(storage, 'page');
      clock.nowMs = 1999;
      await sweep();
      expect(pages).not.toHaveBeenCalled();
      clock.nowMs = 2000;
      await sweep();
      expect([await rows(), await indexRows(), await textOf(B)]).toEqual([1, 1, 'long']);
      clock.nowMs = 3000;
      await sweep();
      expect([await rows(), await indexRows()]).toEqual([0, 0]);
    });

    it('read again when the replica was erased and came to the same entry with other data', async () => {
      await put(B, value('kept'));
      for (let i = 0; i < 3; i += 1) await sweep();
      const record = { version: 1, expireAtMs: 2000, contentType: undefined, payload: value('short') };
      await storage.write([
        { type: 'put', key: dataKey(ID, A), value: encodeRecord(A, record) },
        { type: 'put', key: expiryKey(ID, 2000, A), value: Buffer.alloc(0) },
      ]);
      const seat = host.seat(ID);
      seat.installed = { ...(seat.installed as InstalledState) };
      clock.nowMs = 2000;
      await sweep();
      expect([await rows(), await indexRows()]).toEqual([1, 0]);
    });

    it('read again once something is', async () => {
      await put(B, value('long'), { expireAtMs: 9000 });
      for (let i = 0; i < 3; i += 1) await sweep();
      await put(A, value('short'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      await sweep();
      expect([await rows(), await indexRows()]).toEqual([1, 1]);
    });
  });

  describe('sweepLeftovers after a clear', () => {
    it('removes in bounded steps the rows and index rows of before, and leaves later ones', async () => {
      const keys = Array.from({ length: 600 }, (_unused, i) => value(`k${String(i).padStart(3, '0')}`));
      await Promise.all(keys.map((key) => put(key, value('old'), { expireAtMs: 9000 })));
      await clear();
      const kept = [...keys.filter((_key, i) => i % 100 === 0), B];
      await Promise.all(kept.map((key) => put(key, value('new'), { expireAtMs: 9500 })));
      const writesBefore = storage.written.length;
      await sweepLeftovers();
      expect(storage.written.length - writesBefore).toBe(3); // 600 rows in steps of 256.
      expect([await rows(), partition.keys, clearPending()]).toEqual([7, 7, false]);
      for (const key of kept) expect(await textOf(key)).toBe('new');
      clock.nowMs = 9000;
      while (await partition.sweepExpired());
      expect(await indexRows()).toBe(7);
      // The end of the sweep reaches the disk with the next write.
      await put(B, value('newer'), { expireAtMs: 9500 });
      await reopen();
      expect([partition.keys, clearPending()]).toEqual([7, false]);
    });

    it('leaves a value alone that is put while the step reads', async () => {
      await put(A, value('old'));
      await clear();
      const releaseWrites = storage.holdWrites();
      const later = put(A, value('new'));
      const releasePages = storage.holdPages();
      const swept = sweepLeftovers();
      await nextTurn();
      releaseWrites();
      await later;
      releasePages();
      await swept;
      expect(await textOf(A)).toBe('new');
      expect(await rows()).toBe(1);
    });

    it('leaves a value alone whose put is on its way when the step has read', async () => {
      await put(A, value('old'));
      await clear();
      const releasePages = storage.holdPages();
      const swept = sweepLeftovers();
      await nextTurn();
      const releaseWrites = storage.holdWrites();
      const later = put(A, value('new'));
      releasePages();
      await nextTurn();
      releaseWrites();
      await Promise.all([swept, later]);
      expect(await textOf(A)).toBe('new');
    });

    it('waits for another time while the clear is on its way, and then passes by no row', async () => {
      const release = storage.holdWrites();
      const writes = [put(A, value('old')), clear()];
      await nextTurn();
      const swept = sweepLeftovers();
      await isPending(swept);
      release();
      await Promise.all([...writes, swept]);
      expect([await rows(), clearPending()]).toEqual([1, true]);
      await sweepLeftovers();
      expect([await rows(), clearPending()]).toEqual([0, false]);
    });

    it('is not over when another clear came in between', async () => {
      await put(A, value('1'));
      await clear();
      const release = storage.holdPages();
      const swept = sweepLeftovers();
      await put(A, value('2'));
      await clear();
      release();
      await swept;
      expect(clearPending()).toBe(true);
      await sweepLeftovers();
      expect([await rows(), clearPending()]).toEqual([0, false]);
    });

    it('is given up when it is told to, and begun again', async () => {
      await Promise.all(Array.from({ length: 300 }, (_unused, i) => put(value(`k${i}`), value('v'))));
      await clear();
      await partition.sweepLeftovers(() => Promise.resolve(false));
      expect([await rows(), clearPending()]).toEqual([300 - 256, true]);
      await sweepLeftovers();
      expect([await rows(), clearPending()]).toEqual([0, false]);
    });

    it('writes nothing where there is nothing to remove', async () => {
      await put(A, value('1'));
      const writesBefore = storage.written.length;
      await sweepLeftovers();
      expect(storage.written.length).toBe(writesBefore);
    });

    it('goes on after a restart', async () => {
      await put(A, value('1'));
      await clear();
      await reopen();
      expect(clearPending()).toBe(true);
      await sweepLeftovers();
      expect([await rows(), clearPending()]).toEqual([0, false]);
      await put(B, value('1'));
      await reopen();
      expect([await rows(), clearPending()]).toEqual([1, false]);
    });
  });

  describe('a request', () => {
    const FIRST: Request = { id: '1'.repeat(32), fingerprint: { hi: 1, lo: 2 } };
    const SECOND: Request = { id: '2'.repeat(32), fingerprint: { hi: 1, lo: 2 } };
    const ADD = { type: 'add', key: A, by: 5n, conditions: [] } as const;
    const DONE = { type: 'number', version: 1, number: '5', created: true };

    it('is done once, and answered again with what came of it', async () => {
      expect(await partition.perform(ADD, FIRST)).toEqual({ result: DONE, repeated: false });
      await put(B, value('1'));
      const writesBefore = storage.written.length;
      expect(await partition.perform(ADD, FIRST)).toEqual({ result: DONE, repeated: true });
      expect(storage.written.length).toBe(writesBefore);
      expect(await textOf(A)).toBe('5');
      expect(await partition.perform(ADD, SECOND)).toMatchObject({
        result: { number: '10' },
        repeated: false,
      });
    });

    it('is known after a restart, and after a clear', async () => {
      await partition.perform(ADD, FIRST);
      await reopen();
      expect(await partition.perform(ADD, FIRST)).toEqual({ result: DONE, repeated: true });
      await clear();
      expect(await partition.perform(ADD, FIRST)).toEqual({ result: DONE, repeated: true });
      expect(await textOf(A)).toBeUndefined();
    });

    it('that comes again before it is durable is answered when it is', async () => {
      const release = storage.holdWrites();
      const both = [partition.perform(ADD, FIRST), partition.perform(ADD, FIRST)];
      for (const one of both) expect(await isPending(one)).toBe(true);
      release();
      expect(await Promise.all(both)).toEqual([
        { result: DONE, repeated: false },
        { result: DONE, repeated: true },
      ]);
    });

    it('keeps no old value of what it replaced', async () => {
      await put(A, value('old'));
      const remove = { type: 'delete', key: A, conditions: [], returnOld: true } as const;
      expect(await partition.perform(remove, FIRST)).toMatchObject({
        result: { old: { payload: value('old') } },
      });
      const again = await partition.perform(remove, FIRST);
      expect(again).toMatchObject({
        result: { type: 'deleted', version: 2, old: undefined },
        repeated: true,
      });
    });

    it('under the id of another one is refused, whether that is durable or not, and nothing is done', async () => {
      const other: Request = { id: FIRST.id, fingerprint: { hi: 1, lo: 3 } };
      const reused = expect.objectContaining({ code: 'request-id-reused' });
      const release = storage.holdWrites();
      const first = partition.perform(ADD, FIRST);
      await expect(partition.perform(ADD, other)).rejects.toEqual(reused);
      release();
      await first;
      await expect(partition.perform(ADD, other)).rejects.toEqual(reused);
      await reopen();
      await expect(partition.perform(ADD, other)).rejects.toEqual(reused);
      expect(await textOf(A)).toBe('5');
    });

    it('that wrote nothing is done anew when it comes again', async () => {
      const update = { ...ADD, conditions: [{ type: 'present' }] } as const;
      expect(await partition.perform(update, FIRST)).toMatchObject({
        result: { type: 'refused' },
        repeated: false,
      });
      await put(A, value('1'));
      expect(await partition.perform(update, FIRST)).toMatchObject({
        result: { number: '6' },
        repeated: false,
      });
      expect(await partition.perform(update, FIRST)).toMatchObject({
        result: { number: '6' },
        repeated: true,
      });
    });

    it('is swept when it is old by the clock of the partition, and not before', async () => {
      await partition.perform(ADD, FIRST);
      clock.nowMs += REQUEST_TTL_MS - 1;
      await put(B, value('1'));
      await sweepLeftovers();
      expect(await partition.perform(ADD, FIRST)).toMatchObject({ repeated: true });
      clock.nowMs += 1;
      await put(B, value('2'));
      await sweepLeftovers();
      expect(storage.getSync(requestKey(ID, FIRST.id))).toBeUndefined();
      expect(await partition.perform(ADD, FIRST)).toMatchObject({
        result: { number: '10' },
        repeated: false,
      });
    });

    it('is forgotten when it is too many writes back, and not one before, and then done anew', async () => {
      await partition.perform(ADD, FIRST);
      // As after so many writes, which would take minutes to make.
      const state = readApplied(storage.getSync(stateKey(ID)) as Buffer);
      const far = { ...state, applied: REQUEST_ENTRIES_MAX, base: REQUEST_ENTRIES_MAX };
      await storage.write([stateOp(ID, far, false)]);
      await reopen();
      await sweepLeftovers();
      expect(await partition.perform(ADD, FIRST)).toEqual({ result: DONE, repeated: true });
      await put(B, value('1'));
      await sweepLeftovers();
      expect(await partition.perform(ADD, FIRST)).toMatchObject({
        result: { number: '10' },
        repeated: false,
      });
    });
  });

  describe('perform', () => {
    const append = (text: string) =>
      ({ type: 'append', key: A, value: value(text), conditions: [] }) as const;

    it('decides by what is sequenced, though it is not durable and nobody can read it', async () => {
      const release = storage.holdWrites();
      const results = Promise.all([
        perform(append('a')),
        perform(append('b')),
        perform({ type: 'copy', from: A, key: B, move: true, replace: false }),
        perform(append('c')),
      ]);
      expect(await textOf(A)).toBeUndefined();
      release();
      expect(await results).toEqual([
        { type: 'length', version: 1, length: 1, created: true },
        { type: 'length', version: 2, length: 2, created: false },
        { type: 'stored', version: 3, created: true, expireAtMs: 0, old: undefined },
        { type: 'length', version: 4, length: 1, created: true },
      ]);
      expect([await textOf(A), await textOf(B), partition.keys, partition.bytes]).toEqual(['c', 'ab', 2, 5]);
    });

    it('does a transaction as one write', async () => {
      await put(A, value('1'));
      const writesBefore = storage.written.length;
      const result = await perform({
        type: 'transaction',
        compare: [{ key: A, conditions: [{ type: 'version', anyOf: [1] }] }],
        then: [
          { type: 'add', key: A, by: 1n, conditions: [] },
          { type: 'copy', from: A, key: B, move: false, replace: false },
          { type: 'get', key: B },
        ],
        otherwise: [],
        continueOnFailure: false,
      });
      expect(result).toMatchObject({
        held: true,
        version: 2,
        results: [{ number: '2' }, { version: 2 }, { type: 'value' }],
      });
      expect(storage.written.length - writesBefore).toBe(1);
      expect([await textOf(A), await textOf(B), (await partition.get(B))?.version]).toEqual(['2', '2', 2]);
    });

    it('writes nothing where there is nothing to write, and uses up no version', async () => {
      await put(A, value('x'));
      const writesBefore = storage.written.length;
      expect(await perform({ type: 'add', key: A, by: 1n, conditions: [] })).toMatchObject({
        reason: 'not-an-integer',
      });
      expect(await perform({ type: 'set-range', key: B, offset: 9, value: value('') })).toMatchObject({
        length: 0,
      });
      expect(storage.written.length).toBe(writesBefore);
      expect(await put(B, value('x'))).toMatchObject({ version: 2 });
    });

    it('lets every answer wait for the writes that it rests on, and for no others', async () => {
      await put(A, value('1'));
      const release = storage.holdWrites();
      const write = put(A, value('2'));
      const createOnly = {
        type: 'put',
        value: value('3'),
        contentType: undefined,
        expiry: { type: 'never' },
        returnOld: true,
      } as const;
      const refused = perform({ ...createOnly, key: A, conditions: [{ type: 'absent' }] });
      const refusedElsewhere = perform({ ...createOnly, key: B, conditions: [{ type: 'present' }] });
      expect(await isPending(refused)).toBe(true);
      expect(await refusedElsewhere).toEqual({ type: 'refused', version: 0, old: undefined });
      release();
      await write;
      expect(await refused).toMatchObject({ type: 'refused', version: 2, old: { payload: value('2') } });
    });

    it('asks for room on the disk before it adds data, and only then', async () => {
      const taken: number[] = [];
      const freeSpace = { take: (bytes: number) => void taken.push(bytes) };
      await reopen(freeSpace);
      await put(A, value('12345'));
      await perform(append('678'));
      await perform({ type: 'copy', from: A, key: B, move: false, replace: false });
      expect(taken).toEqual([6, 9, 9]);
      await perform({
        type: 'set-expiry',
        key: A,
        expiry: { type: 'in', ms: 5 },
        rules: [],
        conditions: [],
        returnOld: false,
      });
      await del(B);
      await del(B);
      await clear();
      expect(taken).toHaveLength(3);
    });

    it('has not moved when there is no room', async () => {
      const full = new StoreError('disk-full', 'no room');
      const take = (): void => {
        throw full;
      };
      await reopen({ take });
      const writesBefore = storage.written.length;
      await expect(put(A, value('1'))).rejects.toBe(full);
      expect([partition.keys, await textOf(A), storage.written.length]).toEqual([0, undefined, writesBefore]);
    });
  });

  describe('page', () => {
    const EVERYTHING = { limit: 1000, keysOnly: false };
    /** All pages of up to `limit` rows, as text. */
    const listed = async (from: string, to: string | undefined, limit: number): Promise<string[]> => {
      const found: string[] = [];
      let next: Buffer | undefined = value(from);
      while (next !== undefined) {
        const page = await partition.page(next, to === undefined ? undefined : value(to), {
          limit,
          keysOnly: false,
        });
        found.push(
          ...page.records.map(({ key, record }) => `${key.toString()}=${record.payload.toString()}`),
        );
        next = page.next;
      }
      return found;
    };

    it('goes through the live records in key order, from one key to before another', async () => {
      for (const key of ['b', 'a', 'c', 'ab', 'b\0']) await put(value(key), value(key.toUpperCase()));
      const all = ['a=A', 'ab=AB', 'b=B', 'b\0=B\0', 'c=C'];
      for (const limit of [1, 2, 1000, 100_000]) {
        expect(await listed('', undefined, limit)).toEqual(all);
        expect(await listed('ab', 'c', limit)).toEqual(all.slice(1, 4));
        expect(await listed('b\0', undefined, limit)).toEqual(all.slice(3));
        expect(await listed('c', 'a', limit)).toEqual([]);
        expect(await listed('', '', limit)).toEqual([]);
      }
    });

    it('leaves out what has expired or was cleared, and goes on behind it', async () => {
      await put(A, value('1'));
      await clear();
      for (const key of ['a1', 'a2', 'a3']) await put(value(key), value('1'), { expireAtMs: 2000 });
      await put(B, value('2'), { expireAtMs: 3000 });
      clock.nowMs = 2000;
      const first = await partition.page(value(''), undefined, { limit: 2, keysOnly: false });
      expect([first.records, first.next?.toString()]).toEqual([[], 'a1\0']);
      expect(await listed('', undefined, 2)).toEqual(['b=2']);
    });

    it('gives versions, expiries and types without the values when asked for keys only', async () => {
      await put(A, value('1'), { contentType: 'text/plain', expireAtMs: 9000 });
      const { records } = await partition.page(value(''), undefined, { limit: 1000, keysOnly: true });
      const record = { version: 1, contentType: 'text/plain', expireAtMs: 9000, payload: value('') };
      expect(records).toEqual([{ key: A, record, isWhole: false }]);
    });

    it('leaves out the larger values, and says so', async () => {
      const largest = Buffer.alloc(PAGE_PAYLOAD_BYTES_MAX);
      await put(A, largest);
      await put(B, Buffer.alloc(PAGE_PAYLOAD_BYTES_MAX + 1));
      const { records } = await partition.page(value(''), undefined, EVERYTHING);
      expect(records.map(({ record, isWhole }) => [record.payload, isWhole])).toEqual([
        [largest, true],
        [value(''), false],
      ]);
    });

    it('ends at its size', async () => {
      const large = Buffer.alloc(400_000);
      for (const key of ['a', 'b', 'c', 'd']) await put(value(key), large);
      const { records, next } = await partition.page(value(''), undefined, EVERYTHING);
      expect([records.length, next?.toString()]).toEqual([3, 'c\0']);
    });

    it('shows durable data only', async () => {
      const release = storage.holdWrites();
      const write = put(A, value('1'));
      expect((await partition.page(value(''), undefined, EVERYTHING)).records).toEqual([]);
      release();
      await write;
      expect((await partition.page(value(''), undefined, EVERYTHING)).records).toHaveLength(1);
    });

    it('does not pass over a damaged record in silence', async () => {
      await put(A, value('1'));
      await damage(A);
      await expect(partition.page(value(''), undefined, EVERYTHING)).rejects.toMatchObject({
        code: 'record-corrupt',
      });
    });
  });

  describe('expiry', () => {
    it('hides a value from its millisecond on, though it is stored and counted until it is swept', async () => {
      await put(A, value('1'), { expireAtMs: 2000 });
      clock.nowMs = 1999;
      expect(await textOf(A)).toBe('1');
      clock.nowMs = 2000;
      expect([await textOf(A), partition.keys]).toEqual([undefined, 1]);
      expect(await partition.sweepExpired()).toBe(false);
      expect([partition.keys, partition.bytes, await rows(), await indexRows()]).toEqual([0, 0, 0, 0]);
    });

    it('lets an expired value be put anew, as one that was not there, and not be deleted', async () => {
      await put(A, value('1'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      expect(await del(A)).toBeUndefined();
      expect(await put(A, value('2'))).toEqual({ version: 2, created: true });
      expect(partition.keys).toBe(1);
      await partition.sweepExpired();
      expect(await textOf(A)).toBe('2');
    });

    it('in the past is never seen', async () => {
      expect(await put(A, value('1'), { expireAtMs: 1 })).toEqual({ type: 'absent' });
      expect([await partition.get(A), await rows(), partition.keys]).toEqual([undefined, 0, 0]);
      await put(A, value('1'));
      expect(await put(A, value('1'), { expireAtMs: 1 })).toMatchObject({ type: 'deleted', version: 2 });
      expect([await partition.get(A), await rows(), partition.keys]).toEqual([undefined, 0, 0]);
    });

    it('goes with the value that it belongs to', async () => {
      await put(A, value('1'), { expireAtMs: 2000 });
      await put(A, value('2'), { expireAtMs: 3000 });
      await put(B, value('1'), { expireAtMs: 2000 });
      await put(B, value('2'));
      expect(await indexRows()).toBe(1);
      clock.nowMs = 2500;
      expect([await textOf(A), await textOf(B)]).toEqual(['2', '2']);
      await del(A);
      expect(await indexRows()).toBe(0);
    });

    it('is swept in bounded steps, each of one version', async () => {
      await Promise.all(
        Array.from({ length: 600 }, (_unused, i) => put(value(`k${i}`), value('v'), { expireAtMs: 2000 })),
      );
      clock.nowMs = 2000;
      const more: boolean[] = [];
      do more.push(await partition.sweepExpired());
      while (more.at(-1) === true);
      expect(more).toEqual([true, true, false]);
      expect([partition.keys, partition.bytes, await rows(), await indexRows()]).toEqual([0, 0, 0, 0]);
      expect(await put(A, value('1'))).toEqual({ version: 604, created: true });
    });

    it('is swept once and counted once, though a value that was cleared has left an index row of the same key', async () => {
      await put(A, value('1'), { expireAtMs: 2000 });
      await clear();
      await put(A, value('2'), { expireAtMs: 3000 });
      await put(B, value('1'));
      expect(await indexRows()).toBe(2);
      clock.nowMs = 3000;
      while (await partition.sweepExpired());
      expect([partition.keys, partition.bytes, await rows(), await indexRows()]).toEqual([1, 2, 1, 0]);
    });

    it('does not sweep a value that was put anew while the step read', async () => {
      await put(A, value('old'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      const release = storage.holdPages();
      const swept = partition.sweepExpired();
      await put(A, value('new'));
      release();
      await swept;
      expect([await textOf(A), partition.keys]).toEqual(['new', 1]);
    });

    it('goes by a clock that never goes back, for readers and writers alike', async () => {
      await put(A, value('1'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      expect(await partition.get(A)).toBeUndefined();
      // By less than would be taken for a suspended machine, which answers nothing.
      clock.nowMs = 1900;
      expect(await partition.get(A)).toBeUndefined();
      await put(B, value('1'));
      await reopen();
      expect(await partition.get(A)).toBeUndefined();
    });

    it('does not set the clock back by a sweep that began before the newest write', async () => {
      await put(A, value('1'), { expireAtMs: 2000 });
      await put(B, value('1'), { expireAtMs: 4000 });
      clock.nowMs = 3000;
      const release = storage.holdPages();
      const swept = partition.sweepExpired();
      clock.nowMs = 5000;
      await put(value('c'), value('1'));
      release();
      await swept;
      clock.nowMs = 3500;
      await reopen();
      expect(await partition.get(B)).toBeUndefined();
    });
  });

  describe('the record cache', () => {
    beforeEach(async () => {
      recordCacheBytes = 1024 * 1024;
      await reopen();
    });

    afterEach(() => {
      recordCacheBytes = 0;
    });

    it('answers what was written or read before, without the store', async () => {
      await put(A, value('1'));
      expect(await textOf(A)).toBe('1');
      await storage.write([{ type: 'del', key: dataKey(ID, A) }]);
      expect(await textOf(A)).toBe('1');
      expect(await put(A, value('22'))).toEqual({ version: 2, created: false });
      await storage.write([{ type: 'del', key: dataKey(ID, A) }]);
      expect(await textOf(A)).toBe('22');
      expect([partition.keys, partition.bytes]).toEqual([1, 3]);
    });

    it('finds the value that an operation needs and nobody has asked for yet', async () => {
      await put(A, value('1'));
      await perform({ type: 'append', key: A, value: value('2'), conditions: [] });
      await perform({ type: 'append', key: A, value: value('3'), conditions: [] });
      expect([await textOf(A), partition.bytes]).toEqual(['123', 4]);
    });

    it('says of a value that is damaged in the store that it is, and lets it be replaced', async () => {
      await put(A, value('1'));
      await damage(A);
      const append = { type: 'append', key: A, value: value('2'), conditions: [] } as const;
      await expect(perform(append)).rejects.toMatchObject({ code: 'record-corrupt' });
      expect(await put(A, value('22'))).toEqual({ version: 2, created: false });
      expect([await textOf(A), partition.bytes]).toEqual(['22', 3]);
    });

    it('fails what needs a value that cannot be read now, and goes on', async () => {
      await put(A, value('1'));
      const getSync = storage.getSync.bind(storage);
      const failure = new Error('IO error: 000005.ldb: Too many open files');
      storage.getSync = () => {
        throw failure;
      };
      const append = { type: 'append', key: A, value: value('2'), conditions: [] } as const;
      await expect(perform(append)).rejects.toBe(failure);
      storage.getSync = getSync;
      await perform(append);
      expect(await textOf(A)).toBe('12');
    });

    it('shows a write that is not durable to conditions, and to no reader', async () => {
      await put(A, value('1'));
      expect(await textOf(A)).toBe('1');
      const second = put(A, value('2'));
      expect(await textOf(A)).toBe('1');
      const third = put(A, value('3'));
      const conditions = [{ type: 'version', anyOf: [3] }] as const;
      await perform({ type: 'delete', key: A, conditions, returnOld: false });
      expect([await second, await third, await textOf(A)]).toEqual([
        { version: 2, created: false },
        { version: 3, created: false },
        undefined,
      ]);
    });

    it('forgets what is deleted, and hides what is cleared or has expired', async () => {
      await put(A, value('1'));
      await del(A);
      expect(await textOf(A)).toBeUndefined();
      await put(A, value('2'));
      await clear();
      expect(await textOf(A)).toBeUndefined();
      await put(A, value('3'), { expireAtMs: 2000 });
      clock.nowMs = 2000;
      expect(await textOf(A)).toBeUndefined();
      expect(await put(A, value('4'))).toMatchObject({ created: true });
    });
  });

  describe('a damaged record', () => {
    beforeEach(async () => {
      await put(A, value('one'), { expireAtMs: 9000 });
      await put(B, value('two'));
      await damage(A);
    });

    it('is not served', async () => {
      await expect(Promise.resolve().then(() => partition.get(A))).rejects.toMatchObject({
        code: 'record-corrupt',
      });
      expect(await textOf(B)).toBe('two');
    });

    it('can be replaced', async () => {
      expect(await put(A, value('new'))).toEqual({ version: 3, created: false });
      expect([await textOf(A), partition.keys]).toEqual(['new', 2]);
      clock.nowMs = 9000;
      await partition.sweepExpired();
      expect([await textOf(A), await indexRows()]).toEqual(['new', 0]);
    });

    it('can be deleted', async () => {
      expect(await del(A)).toBe(3);
      expect([await partition.get(A), partition.keys]).toEqual([undefined, 1]);
    });

    it('is not taken for anything by what has to look at it', async () => {
      const corrupt = expect.objectContaining({ code: 'record-corrupt' });
      const conditions = [{ type: 'version', anyOf: [1] }] as const;
      await expect(perform({ type: 'append', key: A, value: value('x'), conditions: [] })).rejects.toEqual(
        corrupt,
      );
      await expect(perform({ type: 'delete', key: A, conditions, returnOld: false })).rejects.toEqual(
        corrupt,
      );
      await expect(perform({ type: 'copy', from: A, key: B, move: false, replace: true })).rejects.toEqual(
        corrupt,
      );
      expect([await textOf(B), partition.keys]).toEqual(['two', 2]);
      expect(await perform({ type: 'copy', from: B, key: A, move: true, replace: true })).toMatchObject({
        created: false,
      });
      expect(await textOf(A)).toBe('two');
    });

    it('neither passes for absent after a clear nor takes the counters below nothing', async () => {
      await clear();
      await sweepLeftovers();
      await expect(Promise.resolve().then(() => partition.get(A))).rejects.toMatchObject({
        code: 'record-corrupt',
      });
      await del(A);
      expect([partition.keys, partition.bytes]).toEqual([0, 0]);
      expect(await put(A, value('new'))).toMatchObject({ created: true });
      expect([partition.keys, partition.bytes]).toEqual([1, 4]);
    });
  });

  describe('open', () => {
    /** What is wrong with the replica, which is then not served. */
    const problemAfterRestart = async (): Promise<string | undefined> => {
      host.close();
      await start();
      expect(partitions.primary(ID)).toBeUndefined();
      expect(partitions.primary(OTHER)).toBeDefined();
      return host.hosted().find((hosted) => hosted.partition === ID)?.problem;
    };

    it('serves nothing with a damaged state row', async () => {
      await put(A, value('1'));
      const row = storage.getSync(stateKey(ID)) ?? Buffer.alloc(0);
      expect(decodeState(row).applied).toBe(1);
      row.writeUInt8(row.readUInt8(5) ^ 1, 5);
      await storage.write([{ type: 'put', key: stateKey(ID), value: row }]);
      expect(await problemAfterRestart()).toMatch('state row');
    });

    it('serves no data without a state row, as its versions would be given out again', async () => {
      await put(A, value('1'));
      await storage.write([{ type: 'del', key: stateKey(ID) }]);
      expect(await problemAfterRestart()).toMatch('no state row');
      expect(await rows()).toBe(1);
    });
  });
});
