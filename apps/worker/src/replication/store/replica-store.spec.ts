/**
 * What the rows of a replica promise, on every storage: what was written is found again, damage is found and confined
 * to its replica, and a crash in the middle of erasing never leaves what passes for a whole replica.
 */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { StoreError } from '@diststore/base';
import {
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type { Configuration, Member } from '@diststore/cluster';
import {
  APPLIED_NOTHING,
  appliedAfter,
  CHAIN_ZERO,
  makeEntry,
  newInstalled,
  SNAPSHOT_CHUNK_BYTES,
} from '@diststore/replication';
import type {
  AppliedState,
  Chain,
  DurableWrite,
  Entry,
  InstalledState,
  Op,
  SnapshotRow,
} from '@diststore/replication';
import {
  dataKey,
  decodeRecord,
  encodeRecord,
  expiryKey,
  installedKey,
  LevelStorage,
  logKey,
  MemoryStorage,
  replicaRanges,
  requestAgeKey,
  requestAgeRange,
  requestKey,
  stateKey,
} from '@diststore/storage';
import type { Entry as Row, Storage } from '@diststore/storage';
import { TemporaryDirectory } from '@diststore/testing';

import { installedPartitions, loadReplica } from './load-replica.js';
import {
  ERASE_ROWS_MAX,
  REQUEST_ENTRIES_MAX,
  REQUEST_TTL_MS,
  SWEEP_ROWS_MAX,
  TRIM_ROWS_MAX,
} from './limits.js';
import type { UnderWay } from './leftovers.js';
import { DAMAGED_RECORD } from './replica-reads.js';
import { ReplicaStore } from './replica-store.js';
import { problemOfSnapshotRows } from './snapshot-rows.js';

const P = partitionId(7);
const OTHER = partitionId(8);
const NAME = incarnation('00000000000000aa');
const SELF: Member = { worker: workerIndex(1), store: storeId('5'.repeat(32)), incarnation: NAME };
const VER = { gen: 1, epoch: 1 };
const NOTHING_UNDER_WAY: UnderWay = { keys: new Set(), requests: new Set() };
const idle = (): UnderWay => NOTHING_UNDER_WAY;
const goOn = (): Promise<boolean> => Promise.resolve(true);

const CONFIGURATION: Configuration = {
  gen: generation(1),
  epoch: epoch(1),
  primary: SELF,
  insync: [SELF],
  eligible: [],
  minInSync: 1,
  kind: 'create',
  proposalId: proposalId('p'),
  by: 'master',
};
const INSTALLED: InstalledState = { ...newInstalled(NAME), configuration: CONFIGURATION };
const PRIMARY: Member = { ...SELF, worker: workerIndex(2), incarnation: incarnation('00000000000000bb') };
const LEARNER: InstalledState = {
  ...INSTALLED,
  configuration: { ...CONFIGURATION, primary: PRIMARY, insync: [PRIMARY] },
};

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const requestId = (n: number): string => n.toString(16).padStart(32, '0');

function put(key: string, value: string, expireAtMs = 0, oldExpireAtMs = 0): Op {
  const contentType = value === '' ? undefined : 'text/plain';
  return { type: 'put', key: latin1(key), expireAtMs, contentType, payload: latin1(value), oldExpireAtMs };
}

const del = (key: string, oldExpireAtMs = 0): Op => ({ type: 'del', key: latin1(key), oldExpireAtMs });

/** Makes entries, one behind the other, and the state that they lead to. */
class Writer {
  seq = 0;
  chain: Chain = CHAIN_ZERO;
  timestampMs = 1000;
  state: AppliedState = APPLIED_NOTHING;

  entry(ops: readonly Op[], request?: { id: string; result?: string }): Entry {
    const made = makeEntry({
      ver: VER,
      seq: this.seq + 1,
      timestampMs: this.timestampMs,
      previous: this.chain,
      counts: { keys: 1, bytes: 2 },
      request: request === undefined ? undefined : { id: request.id, fingerprint: { hi: 1, lo: 2 } },
      result: latin1(request?.result ?? ''),
      ops,
    });
    this.seq = made.seq;
    this.chain = made.chain;
    return made;
  }

  /** As the primary of a sole replica does it: no log. */
  direct(...entries: Entry[]): DurableWrite {
    const after = appliedAfter(this.state, entries);
    this.state = { ...after, base: after.applied, baseVer: VER };
    return { type: 'apply', entries, state: this.state };
  }

  apply(...entries: Entry[]): DurableWrite {
    this.state = appliedAfter(this.state, entries);
    return { type: 'apply', entries, state: this.state };
  }

  trim(through: number): DurableWrite {
    const after = this.state.base;
    this.state = { ...this.state, base: through, baseVer: VER };
    return { type: 'trim', after, through, state: this.state };
  }
}

interface Opened {
  readonly storage: Storage;
  reopen(): Promise<Storage>;
  close(): Promise<void>;
}

const PROVIDERS: readonly [string, () => Promise<Opened>][] = [
  [
    'MemoryStorage',
    () => {
      const storage = new MemoryStorage();
      return Promise.resolve({
        storage,
        reopen: () => Promise.resolve(storage),
        close: () => storage.close(),
      });
    },
  ],
  [
    'LevelStorage',
    async () => {
      const directory = await TemporaryDirectory.create();
      const options = { directory: directory.path, owner: 'a test' };
      let storage = await LevelStorage.open(options);
      return {
        storage,
        reopen: async () => {
          await storage.close();
          storage = await LevelStorage.open(options);
          return storage;
        },
        close: async () => {
          await storage.close();
          await directory.remove();
        },
      };
    },
  ],
];

/** Everything of a partition but rows 01 and 02. */
async function rowsOf(storage: Storage, partition: number): Promise<Row[]> {
  const all: Row[] = [];
  for (const range of replicaRanges(partition)) {
    let { gte } = range;
    for (;;) {
      const page = await storage.page({ gte, lt: range.lt });
      all.push(...page.entries);
      const last = page.entries.at(-1)?.key;
      if (page.done || last === undefined) break;
      gte = Buffer.concat([last, Buffer.alloc(1)]);
    }
  }
  return all;
}

const show = (rows: readonly SnapshotRow[]): string[] =>
  rows.map(({ key, value }) => `${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`);

async function copyOf(
  store: ReplicaStore,
): Promise<{ rows: SnapshotRow[]; state: AppliedState; chunks: number; lost: number }> {
  const snapshot = await store.openSnapshot();
  try {
    const rows: SnapshotRow[] = [];
    let lost = 0;
    for (let chunks = 1; ; chunks += 1) {
      const chunk = await snapshot.next();
      let bytes = 0;
      for (const { key, value } of chunk.rows.slice(0, -1)) bytes += key.length + value.length;
      expect(bytes).toBeLessThan(SNAPSHOT_CHUNK_BYTES);
      rows.push(...chunk.rows);
      lost += chunk.lost;
      if (chunk.done) return { rows, state: snapshot.state, chunks, lost };
    }
  } finally {
    await snapshot.close();
  }
}

/** Stops after so many writes, as a process does that is killed. */
function dyingAfter(storage: Storage, writes: number): Storage {
  let left = writes;
  return new Proxy(storage, {
    get(target, name, receiver) {
      if (name !== 'write') {
        const found: unknown = Reflect.get(target, name, receiver);
        return typeof found === 'function' ? (found.bind(target) as unknown) : found;
      }
      return (...args: Parameters<Storage['write']>) => {
        left -= 1;
        return left < 0 ? Promise.reject(new Error('killed')) : target.write(...args);
      };
    },
  });
}

describe.each(PROVIDERS)('the store of a replica, on %s', (_name, open) => {
  let opened: Opened;
  let storage: Storage;
  let store: ReplicaStore;
  let writer: Writer;

  beforeEach(async () => {
    opened = await open();
    ({ storage } = opened);
    store = new ReplicaStore(storage, P);
    writer = new Writer();
  });
  afterEach(() => opened.close());

  const write = (...writes: DurableWrite[]): Promise<void> => storage.write(store.opsOf(writes));
  const install = (state: InstalledState): Promise<void> => write({ type: 'installed', state });
  const recordOf = (key: string): string | undefined => {
    const bytes = storage.getSync(dataKey(P, latin1(key)));
    return bytes === undefined ? undefined : decodeRecord(latin1(key), bytes).payload.toString('latin1');
  };

  async function flip(key: Buffer, at = -1): Promise<void> {
    const bytes = Buffer.from(storage.getSync(key) ?? []);
    bytes.writeUInt8(bytes.readUInt8(at < 0 ? bytes.length + at : at) ^ 1, at < 0 ? bytes.length + at : at);
    await storage.write([{ type: 'put', key, value: bytes }]);
  }

  describe('loading', () => {
    it('finds no replica where there is no row 01', async () => {
      expect(await loadReplica(storage, P)).toBeUndefined();
      expect(await installedPartitions(storage)).toEqual([]);
    });

    it('finds a replica that was just born', async () => {
      await install(INSTALLED);
      storage = await opened.reopen();
      expect(await loadReplica(storage, P)).toEqual({
        installed: INSTALLED,
        applied: APPLIED_NOTHING,
        entries: [],
        problem: undefined,
      });
      expect(await installedPartitions(storage)).toEqual([P]);
    });

    it('lists every installed partition, in order', async () => {
      for (const partition of [1200, 3, 700])
        await storage.write(
          new ReplicaStore(storage, partition).opsOf([{ type: 'installed', state: INSTALLED }]),
        );
      expect(await installedPartitions(storage)).toEqual([3, 700, 1200]);
    });

    it('finds log and state as they were written, more of the log than one page holds', async () => {
      await install(INSTALLED);
      const entries = Array.from({ length: 2500 }, (_, n) => writer.entry([put(`k${n}`, 'v')]));
      await write({ type: 'append', entries });
      await write(writer.apply(...entries.slice(0, 10)));
      storage = await opened.reopen();
      const loaded = await loadReplica(storage, P);
      expect(loaded?.problem).toBeUndefined();
      expect(loaded?.applied).toEqual(writer.state);
      expect(loaded?.entries.map(({ seq }) => seq)).toEqual(entries.map(({ seq }) => seq));
      expect(loaded?.entries.at(-1)?.chain).toEqual(entries.at(-1)?.chain);
    });

    it('finds nothing to be used in a replica that was loading a snapshot', async () => {
      await install({ ...LEARNER, state: 'loading', snapshotId: 3 });
      await write({ type: 'append', entries: [writer.entry([put('A', 'happy')])] });
      expect(await loadReplica(storage, P)).toMatchObject({
        applied: APPLIED_NOTHING,
        entries: [],
        problem: undefined,
      });
    });
  });

  describe('damage', () => {
    beforeEach(async () => {
      await install(INSTALLED);
      const entries = [1, 2, 3, 4].map((n) => writer.entry([put('A', `v${n}`)], { id: requestId(n) }));
      await write({ type: 'append', entries }, writer.apply(...entries.slice(0, 2)));
      await storage.write(
        new ReplicaStore(storage, OTHER).opsOf([
          { type: 'installed', state: INSTALLED },
          new Writer().direct(new Writer().entry([put('B', 'fine')])),
        ]),
      );
      expect((await loadReplica(storage, P))?.problem).toBeUndefined();
    });
    afterEach(async () => {
      expect(await loadReplica(storage, OTHER)).toMatchObject({
        problem: undefined,
        applied: { applied: 1 },
      });
      expect(await installedPartitions(storage)).toEqual([P, OTHER]);
    });

    it('of row 01 is a problem of that replica, of which nothing is known then', async () => {
      await flip(installedKey(P));
      const loaded = await loadReplica(storage, P);
      expect(loaded?.installed).toBeUndefined();
      expect(loaded?.problem).toContain('damaged');
    });

    it('of row 02 is a problem', async () => {
      await flip(stateKey(P), 9);
      expect(await loadReplica(storage, P)).toMatchObject({
        installed: INSTALLED,
        problem: expect.stringContaining('damaged'),
      });
    });

    it('is a lost row 02, too', async () => {
      await storage.write([{ type: 'del', key: stateKey(P) }]);
      expect((await loadReplica(storage, P))?.problem).toContain('no state row');
    });

    it.each([1, 2, 3, 4])('of log row %d is a problem', async (seq) => {
      await flip(logKey(P, seq));
      expect((await loadReplica(storage, P))?.problem).toContain('damaged');
    });

    it.each([
      [1, 'missing'],
      [2, 'missing'],
      [3, 'missing'],
    ])('is a lost log row %d, too', async (seq, problem) => {
      await storage.write([{ type: 'del', key: logKey(P, seq) }]);
      expect((await loadReplica(storage, P))?.problem).toContain(problem);
    });

    it('is a log row in the place of another', async () => {
      const value = storage.getSync(logKey(P, 3)) ?? Buffer.alloc(0);
      await storage.write([{ type: 'put', key: logKey(P, 4), value }]);
      expect((await loadReplica(storage, P))?.problem).toContain('damaged');
    });

    it('is a log that ends before what is applied', async () => {
      await write({ type: 'truncate', after: 1, through: 4 });
      expect((await loadReplica(storage, P))?.problem).toContain('ends');
    });

    it('of a record is told to who reads it, and can be written over', async () => {
      await flip(dataKey(P, latin1('A')));
      const corrupt = expect.objectContaining({ code: 'record-corrupt' });
      expect(() => store.get(latin1('A'))).toThrow(corrupt);
      const { reads, damaged } = store.readForWrite({
        appliedSeq: 2,
        keys: [latin1('A'), latin1('C')],
        requestId: undefined,
      });
      expect(reads.records).toEqual(
        new Map([
          ['A', DAMAGED_RECORD],
          ['C', null],
        ]),
      );
      expect([...damaged]).toEqual([['A', corrupt]]);
      expect((await loadReplica(storage, P))?.problem).toBeUndefined();
    });

    it("of a request's row is told to who repeats the request", async () => {
      await flip(requestKey(P, requestId(1)));
      const repeated = { appliedSeq: 2, keys: [], requestId: requestId(1) };
      const unknown = expect.objectContaining({ code: 'outcome-unknown' });
      expect(() => store.finished(requestId(1))).toThrow(unknown);
      expect(() => store.readForWrite(repeated)).toThrow(unknown);
      expect(store.finished(requestId(2))).toBeDefined();
      const elsewhere = new StoreError('retry-later', 'Others have it.');
      const oneOfMany = new ReplicaStore(storage, P, () => elsewhere);
      expect(() => oneOfMany.readForWrite(repeated)).toThrow(elsewhere);
    });

    it('of a block of the store, with a record in it, is not taken for a lost result', () => {
      const block = new StoreError('store-corrupt', 'LevelDB found damage.');
      const rows = jest.spyOn(storage, 'getSync').mockImplementation((row) => {
        if (row.equals(dataKey(P, latin1('A')))) throw block;
        return undefined;
      });
      const written = { appliedSeq: 2, keys: [latin1('A')], requestId: requestId(3) };
      expect(() => store.readForWrite(written)).toThrow(block);
      const elsewhere = new StoreError('retry-later', 'Others have it.');
      const oneOfMany = new ReplicaStore(storage, P, () => elsewhere);
      expect(() => oneOfMany.readForWrite(written)).toThrow(elsewhere);
      rows.mockRestore();
    });
  });

  describe('applying', () => {
    it('keeps record, expiry index, result and state in one batch', async () => {
      const entry = writer.entry([put('A', 'happy', 5000)], { id: requestId(1), result: 'done' });
      const ops = store.opsOf([writer.direct(entry)]);
      expect(ops.map(({ key }) => key[0])).toEqual([0x07, 0x04, 0x05, 0x06, 0x02]);
      await storage.write(ops);
      expect(await store.get(latin1('A'))).toMatchObject({
        version: 1,
        expireAtMs: 5000,
        contentType: 'text/plain',
      });
      const finished = store.finished(requestId(1));
      expect(finished).toMatchObject({ seq: 1, fingerprint: { hi: 1, lo: 2 } });
      expect(Buffer.from(finished?.result ?? []).toString()).toBe('done');
      expect(store.finished(requestId(2))).toBeUndefined();
      expect(await storage.get(expiryKey(P, 5000, latin1('A')))).toHaveLength(0);
    });

    it('moves the index row with the expiry, and removes it with the record', async () => {
      const indexed = async (): Promise<number[]> =>
        (await rowsOf(storage, P)).filter(({ key }) => key[0] === 7).map(({ key }) => key.readUInt32BE(7));
      await write(writer.direct(writer.entry([put('A', '1', 5000)])));
      await write(writer.direct(writer.entry([put('A', '2', 5000, 5000)])));
      expect(await indexed()).toEqual([5000]);
      await write(writer.direct(writer.entry([put('A', '3', 6000, 5000)])));
      expect(await indexed()).toEqual([6000]);
      await write(writer.direct(writer.entry([put('A', '4', 0, 6000)])));
      expect(await indexed()).toEqual([]);
      await write(
        writer.direct(writer.entry([put('A', '5', 7000)])),
        writer.direct(writer.entry([del('A', 7000)])),
      );
      expect(await rowsOf(storage, P)).toEqual([]);
    });

    it('writes the newest state row only, behind everything else', () => {
      const ops = store.opsOf([
        writer.direct(writer.entry([put('A', '1')])),
        writer.direct(writer.entry([put('B', '2')])),
      ]);
      expect(ops.map(({ key }) => key[0])).toEqual([0x04, 0x04, 0x02]);
    });

    it('answers the same when it is asked again after a refusal', () => {
      const writes = [writer.direct(writer.entry([{ type: 'clear', through: 1 }]))];
      expect(store.opsOf(writes)).toEqual(store.opsOf(writes));
    });

    it('clears by the state alone', async () => {
      await install(INSTALLED);
      await write(writer.direct(writer.entry([put('A', 'happy')])));
      expect(store.clearPending).toBe(false);
      const ops = store.opsOf([writer.direct(writer.entry([{ type: 'clear', through: 2 }]))]);
      expect(ops.map(({ key }) => key)).toEqual([stateKey(P)]);
      await storage.write(ops);
      storage = await opened.reopen();
      expect((await loadReplica(storage, P))?.applied.clearedThrough).toBe(2);
      expect(new ReplicaStore(storage, P).clearPending).toBe(true);
    });
  });

  describe('reading the log', () => {
    const ALL = { bytesMax: Number.MAX_SAFE_INTEGER, entriesMax: 10_000 };
    const seqs = (entries: readonly Entry[]): number[] => entries.map(({ seq }) => seq);

    beforeEach(() =>
      write({
        type: 'append',
        entries: [1, 2, 3, 4, 5].map(() => writer.entry([put('A', 'x'.repeat(100))])),
      }),
    );

    it('gives the entries that are asked for', async () => {
      expect(seqs(await store.readLog({ from: 2, through: 4 }, ALL))).toEqual([2, 3, 4]);
      expect(seqs(await store.readLog({ from: 4, through: 9 }, ALL))).toEqual([4, 5]);
      expect(await store.readLog({ from: 6, through: 9 }, ALL)).toEqual([]);
    });

    it('keeps within its bounds, but for one entry', async () => {
      expect(seqs(await store.readLog({ from: 1, through: 5 }, { ...ALL, entriesMax: 2 }))).toEqual([1, 2]);
      expect(seqs(await store.readLog({ from: 1, through: 5 }, { ...ALL, bytesMax: 1 }))).toEqual([1]);
      expect(seqs(await store.readLog({ from: 1, through: 5 }, { ...ALL, bytesMax: 500 }))).toEqual([1, 2]);
    });

    it('ends at a gap, and begins at none', async () => {
      await storage.write([{ type: 'del', key: logKey(P, 3) }]);
      expect(seqs(await store.readLog({ from: 1, through: 5 }, ALL))).toEqual([1, 2]);
      expect(await store.readLog({ from: 3, through: 5 }, ALL)).toEqual([]);
    });

    it('reads more than one page', async () => {
      await write({
        type: 'append',
        entries: Array.from({ length: 2000 }, () => writer.entry([put('A', '')])),
      });
      expect(await store.readLog({ from: 1, through: 2005 }, ALL)).toHaveLength(2005);
    });

    it('throws on a damaged row', async () => {
      await flip(logKey(P, 3));
      await expect(store.readLog({ from: 1, through: 5 }, ALL)).rejects.toMatchObject({
        code: 'store-corrupt',
      });
    });
  });

  describe('erasing', () => {
    const ROWS = 2 * ERASE_ROWS_MAX + 10;

    async function fill(): Promise<void> {
      await install(INSTALLED);
      await write(
        writer.direct(writer.entry(Array.from({ length: ROWS }, (_, n) => put(`k${n}`, 'v', 5000)))),
      );
      const entries = [1, 2, 3].map((n) => writer.entry([put('A', 'v')], { id: requestId(n) }));
      await write({ type: 'append', entries }, writer.apply(...entries.slice(0, 2)));
      const other = new Writer();
      await storage.write(
        new ReplicaStore(storage, OTHER).opsOf([other.direct(other.entry([put('B', 'fine', 5000)]))]),
      );
    }

    it('leaves nothing but row 01, and other partitions alone', async () => {
      await fill();
      const others = show(await rowsOf(storage, OTHER));
      await store.erase();
      expect(await rowsOf(storage, P)).toEqual([]);
      expect(storage.getSync(stateKey(P))).toBeUndefined();
      expect(show(await rowsOf(storage, OTHER))).toEqual(others);
      const fresh = newInstalled(incarnation('00000000000000cc'));
      await install(fresh);
      expect(await loadReplica(storage, P)).toEqual({
        installed: fresh,
        applied: APPLIED_NOTHING,
        entries: [],
        problem: undefined,
      });
    });

    it('is found unfinished wherever it ends, and can be done again', async () => {
      await fill();
      expect((await loadReplica(storage, P))?.problem).toBeUndefined();
      let deaths = 0;
      for (let writes = 1; (await rowsOf(storage, P)).length > 0; writes += 1) {
        await new ReplicaStore(dyingAfter(storage, writes), P).erase().catch(() => (deaths += 1));
        storage = await opened.reopen();
        expect((await loadReplica(storage, P))?.problem).toBe('It was being erased.');
      }
      expect(deaths).toBeGreaterThan(2);
      // Erased to the end under its old name, it must not pass for a new member of the in-sync set.
      expect((await loadReplica(storage, P))?.problem).toBe('It was being erased.');
    });

    it('of a learner for a snapshot is found as loading wherever it ends', async () => {
      await fill();
      await install({ ...LEARNER, state: 'loading' });
      for (let writes = 1; writes < 8; writes += 1) {
        await new ReplicaStore(dyingAfter(storage, writes), P).erase().catch(() => undefined);
        expect(await loadReplica(storage, P)).toEqual({
          installed: { ...LEARNER, state: 'loading' },
          applied: APPLIED_NOTHING,
          entries: [],
          problem: undefined,
        });
      }
    });

    it('does not need a row 01 that can be read', async () => {
      await fill();
      await flip(installedKey(P));
      await store.erase();
      expect(await rowsOf(storage, P)).toEqual([]);
      expect((await loadReplica(storage, P))?.problem).toContain('damaged');
    });

    it('of what is dropped takes row 01 as well', async () => {
      await fill();
      await store.drop();
      expect(await loadReplica(storage, P)).toBeUndefined();
      expect(await rowsOf(storage, P)).toEqual([]);
    });
  });

  describe('a snapshot', () => {
    it('copied into an empty store gives equal rows', async () => {
      await install(INSTALLED);
      for (let n = 0; n < 40; n += 1)
        await write(
          writer.direct(
            writer.entry([put(`k${n}`, 'x'.repeat(20_000), n % 3 === 0 ? 5000 + n : 0)], {
              id: requestId(n),
            }),
          ),
        );
      const { rows, state, chunks } = await copyOf(store);
      expect(chunks).toBeGreaterThan(2);
      expect(state).toEqual(writer.state);
      expect(problemOfSnapshotRows(P, rows)).toBeUndefined();

      const target = await open();
      const copy = new ReplicaStore(target.storage, P);
      await target.storage.write(copy.opsOf([{ type: 'rows', rows }]));
      await target.storage.write(
        copy.opsOf([
          { type: 'state', state },
          { type: 'installed', state: LEARNER },
        ]),
      );
      expect(show(await rowsOf(target.storage, P))).toEqual(show(await rowsOf(storage, P)));
      expect(await loadReplica(target.storage, P)).toEqual({
        installed: LEARNER,
        applied: state,
        entries: [],
        problem: undefined,
      });
      await target.close();
    });

    it('of an empty partition is one empty chunk', async () => {
      const snapshot = await store.openSnapshot();
      expect(snapshot.state).toEqual(APPLIED_NOTHING);
      expect((await copyOf(store)).rows).toEqual([]);
      await snapshot.close();
    });

    it('shows one moment, whatever is written meanwhile', async () => {
      await write(writer.direct(writer.entry([put('A', 'then')])));
      const snapshot = await store.openSnapshot();
      const { state } = writer;
      await write(writer.direct(writer.entry([put('A', 'now'), put('B', 'now')])));
      const { rows, done } = await snapshot.next();
      await snapshot.close();
      expect(snapshot.state).toEqual(state);
      expect(done).toBe(true);
      expect(rows).toHaveLength(1);
      expect(decodeRecord(latin1('A'), Buffer.from(rows[0]?.value ?? [])).payload.toString()).toBe('then');
    });

    it('leaves out what a clear has hidden, and the receiver looks for leftovers all the same', async () => {
      await write(writer.direct(writer.entry([put('A', 'old')])));
      await write(writer.direct(writer.entry([{ type: 'clear', through: 2 }])));
      await write(writer.direct(writer.entry([put('B', 'new')])));
      const { rows, state } = await copyOf(store);
      expect(rows.map(({ key }) => Buffer.from(key))).toEqual([dataKey(P, latin1('B'))]);
      const copy = new ReplicaStore(storage, OTHER);
      copy.opsOf([{ type: 'state', state }]);
      expect(copy.clearPending).toBe(true);
    });

    it('with a damaged row is not given where others have the row', async () => {
      await write(writer.direct(writer.entry([put('A', 'happy')], { id: requestId(1) })));
      const elsewhere = new StoreError('retry-later', 'Others have it.');
      const told: string[] = [];
      const oneOfMany = new ReplicaStore(storage, P, ({ code }) => {
        told.push(code);
        return elsewhere;
      });
      for (const row of [dataKey(P, latin1('A')), requestKey(P, requestId(1))]) {
        await flip(row);
        await expect(copyOf(oneOfMany)).rejects.toBe(elsewhere);
        await flip(row);
      }
      await storage.write([{ type: 'put', key: expiryKey(P, 5, latin1('A')), value: latin1('x') }]);
      await expect(copyOf(oneOfMany)).rejects.toBe(elsewhere);
      expect(told).toEqual(['record-corrupt', 'store-corrupt', 'store-corrupt']);
    });

    it('of the only copy is refused for a damaged record', async () => {
      await write(writer.direct(writer.entry([put('A', 'happy')])));
      await flip(dataKey(P, latin1('A')));
      await expect(copyOf(store)).rejects.toMatchObject({ code: 'record-corrupt' });
    });

    it('of the only copy says of a damaged result that it is lost, and leaves out damaged rows of indexes', async () => {
      await install(INSTALLED);
      await write(writer.direct(writer.entry([put('A', 'happy', 5)], { id: requestId(1) })));
      await write(writer.direct(writer.entry([put('B', 'happy')], { id: requestId(2) })));
      await flip(requestKey(P, requestId(1)));
      const impossible = Buffer.concat([requestKey(P, requestId(1)), Buffer.alloc(1)]);
      await storage.write([
        { type: 'put', key: impossible, value: Buffer.alloc(0) },
        { type: 'put', key: expiryKey(P, 5, latin1('A')), value: latin1('x') },
      ]);
      const { rows, state, lost } = await copyOf(store);
      expect(lost).toBe(3);
      expect(problemOfSnapshotRows(P, rows)).toBeUndefined();
      expect(rows.map((row) => Buffer.from(row.key))).not.toContainEqual(impossible);

      const target = await open();
      const copy = new ReplicaStore(target.storage, P);
      await target.storage.write(
        copy.opsOf([
          { type: 'rows', rows },
          { type: 'state', state },
        ]),
      );
      expect(() => copy.finished(requestId(1))).toThrow(expect.objectContaining({ code: 'outcome-unknown' }));
      expect(copy.finished(requestId(2))?.seq).toBe(2);
      expect(target.storage.getSync(expiryKey(P, 5, latin1('A')))).toHaveLength(0);
      // It goes with its age, as a sound one.
      const later = { ...state, lastTimestampMs: state.lastTimestampMs + REQUEST_TTL_MS + 1 };
      await target.storage.write(copy.opsOf([{ type: 'state', state: later }]));
      while (await copy.sweepOld(idle)) continue;
      expect(copy.finished(requestId(1))).toBeUndefined();
      await target.close();
    });

    it('with a damaged state row cannot be opened', async () => {
      await write(writer.direct(writer.entry([put('A', 'happy')])));
      await flip(stateKey(P));
      await expect(store.openSnapshot()).rejects.toMatchObject({ code: 'store-corrupt' });
    });

    it('once closed, gives nothing more', async () => {
      const snapshot = await store.openSnapshot();
      await snapshot.close();
      await expect(snapshot.next()).rejects.toMatchObject({ code: 'store-closed' });
    });
  });

  describe('the sweep', () => {
    const ages = async (): Promise<number> => (await storage.page(requestAgeRange(P))).entries.length;

    async function sweepAll(underWay = idle): Promise<void> {
      for (let steps = 0; await store.sweepOld(underWay); steps += 1) expect(steps).toBeLessThan(1000);
    }

    it('forgets requests when they are old by the clock of the partition, in bounded steps', async () => {
      const old = Array.from({ length: SWEEP_ROWS_MAX + 5 }, (_, n) =>
        writer.entry([], { id: requestId(n) }),
      );
      await write(writer.direct(...old));
      writer.timestampMs += REQUEST_TTL_MS - 1;
      await write(writer.direct(writer.entry([], { id: requestId(1000) })));
      await sweepAll();
      expect(await ages()).toBe(old.length + 1);
      writer.timestampMs += 1;
      await write(writer.direct(writer.entry([], { id: requestId(1001) })));
      expect(await store.sweepOld(idle)).toBe(true);
      expect(await ages()).toBe(7);
      await sweepAll();
      expect(await ages()).toBe(2);
      expect(store.finished(requestId(0))).toBeUndefined();
      expect(store.finished(requestId(1000))).toBeDefined();
    });

    it('forgets requests that are too many entries back', async () => {
      await write(writer.direct(writer.entry([], { id: requestId(1) })));
      await write(writer.direct(writer.entry([], { id: requestId(2) })));
      const far = { ...writer.state, applied: REQUEST_ENTRIES_MAX + 1, base: REQUEST_ENTRIES_MAX + 1 };
      await write({ type: 'state', state: far });
      await sweepAll();
      expect(store.finished(requestId(1))).toBeUndefined();
      expect(store.finished(requestId(2))).toBeDefined();
    });

    it('keeps the result of an id that was used again', async () => {
      await write(writer.direct(writer.entry([], { id: requestId(1), result: 'first' })));
      writer.timestampMs += 2 * REQUEST_TTL_MS;
      await write(writer.direct(writer.entry([], { id: requestId(1), result: 'second' })));
      await sweepAll();
      expect(store.finished(requestId(1))?.seq).toBe(2);
      expect(await ages()).toBe(1);
    });

    it('keeps the result of an id that is being used again', async () => {
      await write(writer.direct(writer.entry([], { id: requestId(1) })));
      writer.timestampMs += 2 * REQUEST_TTL_MS;
      await write(writer.direct(writer.entry([], { id: requestId(2) })));
      await sweepAll(() => ({ keys: new Set(), requests: new Set([requestId(1)]) }));
      expect(store.finished(requestId(1))?.seq).toBe(1);
      expect(await ages()).toBe(1);
    });

    it('removes a damaged result with its age', async () => {
      await write(writer.direct(writer.entry([], { id: requestId(1) })));
      await flip(requestKey(P, requestId(1)));
      writer.timestampMs += 2 * REQUEST_TTL_MS;
      await write(writer.direct(writer.entry([])));
      await sweepAll();
      expect(store.finished(requestId(1))).toBeUndefined();
    });

    it('removes log rows that trimming left, and at a start those of before', async () => {
      await install(INSTALLED);
      const entries = Array.from({ length: TRIM_ROWS_MAX + SWEEP_ROWS_MAX + 10 }, () => writer.entry([]));
      await write({ type: 'append', entries });
      await write(writer.apply(...entries));
      await sweepAll();
      expect(await rowsOf(storage, P)).toHaveLength(entries.length);
      await write(writer.trim(entries.length - 3));
      expect(await rowsOf(storage, P)).toHaveLength(SWEEP_ROWS_MAX + 10);
      expect((await loadReplica(storage, P))?.entries.map(({ seq }) => seq)).toEqual(
        [2, 1, 0].map((back) => entries.length - back),
      );
      await store.sweepOld(idle);
      storage = await opened.reopen();
      store = new ReplicaStore(storage, P);
      await sweepAll();
      expect(await rowsOf(storage, P)).toHaveLength(3);
      expect((await loadReplica(storage, P))?.problem).toBeUndefined();
    });

    it('removes what a clear has hidden, but nothing that is under way', async () => {
      await write(writer.direct(writer.entry([put('A', '1', 5000), put('B', '1'), put('C', '1')])));
      await write(writer.direct(writer.entry([{ type: 'clear', through: 2 }])));
      await write(writer.direct(writer.entry([put('C', '3')])));
      await store.sweepCleared(() => ({ keys: new Set(['B']), requests: new Set() }), goOn);
      expect([recordOf('A'), recordOf('B'), recordOf('C')]).toEqual([undefined, '1', '3']);
      expect((await rowsOf(storage, P)).filter(({ key }) => key[0] === 7)).toEqual([]);
      expect(store.clearPending).toBe(false);
      await write(writer.direct(writer.entry([put('D', '4')])));
      expect(new ReplicaStore(storage, P).clearPending).toBe(false);
    });

    it('goes through all of it in steps, and begins again when it is stopped', async () => {
      const rows = 2 * SWEEP_ROWS_MAX + 1;
      await write(writer.direct(writer.entry(Array.from({ length: rows }, (_, n) => put(`k${n}`, 'v')))));
      await write(writer.direct(writer.entry([{ type: 'clear', through: 2 }])));
      await store.sweepCleared(idle, () => Promise.resolve(false));
      expect(await rowsOf(storage, P)).toHaveLength(rows - SWEEP_ROWS_MAX);
      expect(store.clearPending).toBe(true);
      await store.sweepCleared(idle, goOn);
      expect(await rowsOf(storage, P)).toEqual([]);
      expect(store.clearPending).toBe(false);
    });

    it('waits for a clear to be durable', async () => {
      await write(writer.direct(writer.entry([put('A', '1')])));
      const ops = store.opsOf([writer.direct(writer.entry([{ type: 'clear', through: 2 }]))]);
      await store.sweepCleared(idle, goOn);
      expect([recordOf('A'), store.clearPending]).toEqual(['1', true]);
      await storage.write(ops);
      await store.sweepCleared(idle, goOn);
      expect([recordOf('A'), store.clearPending]).toEqual([undefined, false]);
    });

    it('leaves a damaged record to whoever writes it', async () => {
      await write(writer.direct(writer.entry([put('A', '1')])));
      await write(writer.direct(writer.entry([{ type: 'clear', through: 2 }])));
      await flip(dataKey(P, latin1('A')));
      await store.sweepCleared(idle, goOn);
      expect(storage.getSync(dataKey(P, latin1('A')))).toBeDefined();
    });

    it('touches nothing while the partition is being replaced', async () => {
      await write(writer.direct(writer.entry([put('A', '1')], { id: requestId(1) })));
      writer.timestampMs += 2 * REQUEST_TTL_MS;
      await write(writer.direct(writer.entry([{ type: 'clear', through: 2 }])));
      const before = show(await rowsOf(storage, P));
      const replaced = (): undefined => undefined;
      expect(await store.sweepOld(replaced)).toBe(false);
      await store.sweepCleared(replaced, goOn);
      expect(show(await rowsOf(storage, P))).toEqual(before);
      expect(store.clearPending).toBe(true);
    });
  });
});

describe('rows of a snapshot that arrive', () => {
  const record = (key: string): Buffer =>
    encodeRecord(latin1(key), {
      version: 1,
      expireAtMs: 0,
      contentType: undefined,
      payload: latin1('happy'),
    });
  const age = { timestampMs: 1, seq: 1, requestId: requestId(1) };

  it.each<[string, SnapshotRow]>([
    ['of another partition', { key: dataKey(OTHER, latin1('A')), value: record('A') }],
    ['that say what a replica is', { key: installedKey(P), value: Buffer.alloc(0) }],
    ['that say how far it is', { key: stateKey(P), value: Buffer.alloc(0) }],
    ['of the log', { key: logKey(P, 1), value: Buffer.alloc(0) }],
    ['without a key', { key: Buffer.alloc(0), value: Buffer.alloc(0) }],
    ["without a user's key", { key: dataKey(P, latin1('A')).subarray(0, 3), value: record('A') }],
    ['with a record of another key', { key: dataKey(P, latin1('B')), value: record('A') }],
    ['with half a record', { key: dataKey(P, latin1('A')), value: record('A').subarray(0, 24) }],
    ['with a result that is none', { key: requestKey(P, requestId(1)), value: Buffer.from('01', 'hex') }],
    ['with an index that has a value', { key: expiryKey(P, 1, latin1('A')), value: latin1('A') }],
    ['with an age that has a value', { key: requestAgeKey(P, age), value: latin1('A') }],
    [
      'with an impossible time',
      {
        key: Buffer.concat([Buffer.from('070007ffffffffffffffff', 'hex'), latin1('A')]),
        value: Buffer.alloc(0),
      },
    ],
  ])('are refused: rows %s', (_name, row) => {
    const sound = { key: dataKey(P, latin1('A')), value: record('A') };
    expect(problemOfSnapshotRows(P, [sound, row])).toMatch(/^Row [0-9a-f]*: ./);
  });

  it('are taken as any bytes, not only as buffers', () => {
    const row = { key: new Uint8Array(dataKey(P, latin1('A'))), value: new Uint8Array(record('A')) };
    expect(problemOfSnapshotRows(P, [row])).toBeUndefined();
  });
});
