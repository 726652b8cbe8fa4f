/**
 * Random writes of one replica on real rows, against the disk that the protocol is simulated with: after each
 * reopening, and at the end, both hold the same. Writes are not awaited one by one, so they share batches; sweeps and
 * erasing come in between. A failure prints seed and path; give them to `fc.assert`.
 */
import { describe, expect, it } from '@jest/globals';
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
  appliedAfter,
  APPLIED_NOTHING,
  chainText,
  keyName,
  makeEntry,
  newInstalled,
} from '@diststore/replication';
import type {
  AppliedState,
  DurableWrite,
  Entry,
  InstalledState,
  Op,
  SnapshotRow,
} from '@diststore/replication';
import {
  contentKindOf,
  contentRanges,
  decodeFinished,
  decodeRecord,
  expiryKey,
  keyOfData,
  LevelStorage,
  MemoryStorage,
  parseRequestAgeKey,
} from '@diststore/storage';
import type { Storage } from '@diststore/storage';
import { SimulatedDisk, TemporaryDirectory } from '@diststore/testing';
import type { PartitionRows } from '@diststore/testing';
import fc from 'fast-check';

import { REQUEST_TTL_MS } from './limits.js';
import { loadReplica } from './load-replica.js';
import { ReplicaStore } from './replica-store.js';
import { problemOfSnapshotRows } from './snapshot-rows.js';

const P = partitionId(7);
const SELF: Member = {
  worker: workerIndex(1),
  store: storeId('5'.repeat(32)),
  incarnation: incarnation('00000000000000aa'),
};
const PRIMARY: Member = { ...SELF, worker: workerIndex(2), incarnation: incarnation('00000000000000bb') };
const idle = (): { keys: Set<string>; requests: Set<string> } => ({ keys: new Set(), requests: new Set() });

function configurationOf(number: number): Configuration {
  return {
    gen: generation(1),
    epoch: epoch(number),
    primary: PRIMARY,
    insync: [PRIMARY],
    eligible: [],
    minInSync: 1,
    kind: 'create',
    proposalId: proposalId('p'),
    by: 'master',
  };
}

const keyArbitrary = fc.constantFrom('a', 'ab', '\x00', '\xff', '\xff\xff');
const opArbitrary = fc.record({
  key: keyArbitrary,
  type: fc.constantFrom('put' as const, 'put' as const, 'del' as const),
  bytes: fc.nat(30),
  /** 0 = never. */
  expireAtMs: fc.constantFrom(0, 0, 5000, 6000),
  typed: fc.boolean(),
});
const entryArbitrary = fc.record({
  ops: fc.uniqueArray(opArbitrary, { selector: ({ key }) => key, maxLength: 3 }),
  clears: fc.nat(7).map((n) => n === 0),
  request: fc.option(fc.nat(3), { nil: undefined }),
  afterMs: fc.constantFrom(0, 1, 1000, REQUEST_TTL_MS / 2),
});
const entriesArbitrary = fc.array(entryArbitrary, { minLength: 1, maxLength: 4 });
const stepArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), entries: entriesArbitrary }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('apply' as const), part: fc.nat(100) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('direct' as const), entries: entriesArbitrary }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), part: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('trim' as const), part: fc.nat(100) }) },
  ...(['install', 'copy', 'erase', 'sweep', 'reopen', 'settle'] as const).map((name) => ({
    weight: 1,
    arbitrary: fc.record({ do: fc.constant(name) }),
  })),
);
type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;
type EntryPlan = typeof entryArbitrary extends fc.Arbitrary<infer T> ? T : never;

interface Reopenable {
  readonly storage: Storage;
  reopen(): Promise<Storage>;
}

class Run {
  private readonly disk = new SimulatedDisk({ applied: () => undefined });
  private storage: Storage;
  private store: ReplicaStore;
  private underWay: Promise<void>[] = [];
  /** As enqueued: what the replica believes. */
  private installed: InstalledState = newInstalled(SELF.incarnation);
  private state: AppliedState = APPLIED_NOTHING;
  /** Above `state.base`. */
  private log: Entry[] = [];
  private epoch = 1;
  private timestampMs = 1000;
  /** Of the newest entry with each number. */
  private readonly timesMs = new Map<number, number>();

  private constructor(private readonly opened: Reopenable) {
    this.storage = opened.storage;
    this.store = new ReplicaStore(this.storage, P);
  }

  static async of(opened: Reopenable, steps: readonly Step[]): Promise<void> {
    const run = new Run(opened);
    run.persist({ type: 'installed', state: run.installed });
    for (const step of steps) await run.perform(step);
    await run.reopen();
    await run.sweep();
    await run.check({ isSwept: true });
  }

  private async perform(step: Step): Promise<void> {
    switch (step.do) {
      case 'append': {
        const entries = step.entries.map((plan) => this.append(plan));
        this.persist({ type: 'append', entries });
        return;
      }
      case 'apply':
        this.apply(this.state.applied + Math.ceil((step.part * (this.last() - this.state.applied)) / 100));
        return;
      case 'direct':
        this.direct(step.entries);
        return;
      case 'truncate':
        this.truncate(
          this.state.applied + Math.floor((step.part * (this.last() - this.state.applied)) / 100),
        );
        return;
      case 'trim':
        this.trim(this.state.base + Math.ceil((step.part * (this.state.applied - this.state.base)) / 100));
        return;
      case 'install':
        this.install([]);
        return;
      case 'copy':
        await this.copy();
        return;
      case 'erase':
        await this.erase();
        this.installed = newInstalled(SELF.incarnation);
        this.persist({ type: 'installed', state: this.installed });
        return;
      case 'sweep':
        await this.settle();
        await this.sweep();
        return;
      case 'settle':
        await this.settle();
        return;
      case 'reopen':
        await this.reopen();
        await this.check({ isSwept: false });
        return;
    }
  }

  private last(): number {
    return this.state.base + this.log.length;
  }

  private persist(...writes: DurableWrite[]): void {
    this.disk.write(P, { writes });
    this.underWay.push(this.storage.write(this.store.opsOf(writes)));
  }

  private append({ ops: plans, clears, request, afterMs }: EntryPlan): Entry {
    this.timestampMs += afterMs;
    const seq = this.last() + 1;
    const ops: Op[] = clears ? [{ type: 'clear', through: seq }] : plans.map((plan) => this.opOf(plan));
    const entry = makeEntry({
      ver: { gen: 1, epoch: this.epoch },
      seq,
      timestampMs: this.timestampMs,
      previous: this.log.at(-1)?.chain ?? this.state.chain,
      counts: { keys: ops.length, bytes: seq },
      request:
        request === undefined
          ? undefined
          : { id: String(request).repeat(32), fingerprint: { hi: request, lo: seq } },
      result: Buffer.from(`result ${seq}`),
      ops,
    });
    this.log.push(entry);
    this.timesMs.set(seq, this.timestampMs);
    return entry;
  }

  private opOf({ key, type, bytes, expireAtMs, typed }: EntryPlan['ops'][number]): Op {
    const oldExpireAtMs = this.expiryOf(key);
    if (type === 'del') return { type, key: Buffer.from(key, 'latin1'), oldExpireAtMs };
    return {
      type,
      key: Buffer.from(key, 'latin1'),
      expireAtMs,
      contentType: typed ? 'text/plain' : undefined,
      payload: Buffer.alloc(bytes, this.last()),
      oldExpireAtMs,
    };
  }

  /** Of the newest record of a key, sequenced and not yet applied ones included, as a primary decides by. */
  private expiryOf(name: string): number {
    for (const entry of this.log.toReversed()) {
      if (entry.seq <= this.state.applied) break;
      for (const op of entry.ops) {
        if (op.type === 'clear') return 0;
        if (keyName(op.key) === name) return op.type === 'put' ? op.expireAtMs : 0;
      }
    }
    return this.disk.rows(P).data.get(name)?.expireAtMs ?? 0;
  }

  private apply(through: number): void {
    const entries = this.log.slice(this.state.applied - this.state.base, through - this.state.base);
    if (entries.length === 0) return;
    this.state = appliedAfter(this.state, entries);
    this.persist({ type: 'apply', entries, state: this.state });
  }

  private direct(plans: readonly EntryPlan[]): void {
    if (this.last() !== this.state.applied) return;
    const before = this.state;
    const entries = plans.map((plan) => this.append(plan));
    const after = appliedAfter(before, entries);
    this.state = { ...after, base: after.applied, baseVer: { gen: 1, epoch: this.epoch } };
    this.log = [];
    const apply: DurableWrite = { type: 'apply', entries, state: this.state };
    if (before.base === before.applied) this.persist(apply);
    else this.persist({ type: 'trim', after: before.base, through: before.applied, state: before }, apply);
  }

  private truncate(after: number): void {
    const through = this.last();
    this.log.length = after - this.state.base;
    this.install(after === through ? [] : [{ type: 'truncate', after, through }]);
  }

  private trim(through: number): void {
    const { base } = this.state;
    const last = this.log[through - base - 1];
    if (last === undefined) return;
    this.state = { ...this.state, base: through, baseVer: last.ver };
    this.log.splice(0, through - base);
    this.persist({ type: 'trim', after: base, through, state: this.state });
  }

  private install(before: readonly DurableWrite[], state: 'ok' | 'loading' = 'ok'): void {
    this.epoch += 1;
    this.installed = { ...this.installed, configuration: configurationOf(this.epoch), shared: true, state };
    this.persist(...before, { type: 'installed', state: this.installed });
  }

  private async erase(): Promise<void> {
    await this.settle();
    this.disk.write(P, { writes: [{ type: 'erase' }] });
    await this.store.erase();
    this.state = APPLIED_NOTHING;
    this.log = [];
  }

  /** As a learner: what is here, by way of a snapshot. */
  private async copy(): Promise<void> {
    await this.settle();
    const rows: SnapshotRow[] = [];
    const snapshot = await this.store.openSnapshot();
    for (let done = false; !done;) {
      const chunk = await snapshot.next();
      rows.push(...chunk.rows);
      ({ done } = chunk);
    }
    await snapshot.close();
    expect(snapshot.state).toEqual(this.state);
    expect(problemOfSnapshotRows(P, rows)).toBeUndefined();
    const { data, finished } = this.disk.rows(P);
    const [copiedData, copiedFinished] = [new Map(data), new Map(finished)];
    const ver = this.log[this.state.applied - this.state.base - 1]?.ver ?? this.state.baseVer;
    const state = { ...this.state, base: this.state.applied, baseVer: ver };
    this.install([], 'loading');
    await this.erase();
    this.underWay.push(this.storage.write(this.store.opsOf([{ type: 'rows', rows }])));
    this.disk.rows(P).data = copiedData;
    this.disk.rows(P).finished = copiedFinished;
    this.state = state;
    this.install([{ type: 'state', state }]);
  }

  private async sweep(): Promise<void> {
    const goOn = (): Promise<boolean> => Promise.resolve(true);
    while (await this.store.sweepOld(idle));
    await this.store.sweepCleared(idle, goOn);
    expect(this.store.clearPending).toBe(false);
  }

  private async settle(): Promise<void> {
    await Promise.all(this.underWay);
    this.underWay = [];
  }

  private async reopen(): Promise<void> {
    await this.settle();
    this.storage = await this.opened.reopen();
    this.store = new ReplicaStore(this.storage, P);
  }

  private async check({ isSwept }: { isSwept: boolean }): Promise<void> {
    const expected = this.disk.rows(P);
    const loaded = await loadReplica(this.storage, P);
    expect(loaded?.problem).toBeUndefined();
    expect(loaded?.installed).toEqual(expected.installed);
    expect(loaded?.applied).toEqual(expected.applied);
    expect(loaded?.entries.map(({ seq, chain }) => [seq, chainText(chain)])).toEqual(
      [...expected.log.values()]
        .sort((a, b) => a.seq - b.seq)
        .map(({ seq, chain }) => [seq, chainText(chain)]),
    );
    await this.checkContent(expected, isSwept);
  }

  private async checkContent({ data, finished, applied }: PartitionRows, isSwept: boolean): Promise<void> {
    const found = { data: new Map<string, unknown>(), finished: new Map<string, unknown>() };
    const [index, ages] = [new Set<string>(), new Set<string>()];
    for (const range of contentRanges(P)) {
      const { entries, done } = await this.storage.page(range);
      expect(done).toBe(true);
      for (const { key, value } of entries) {
        const kind = contentKindOf(key, P);
        if (kind === 'data') {
          const record = decodeRecord(keyOfData(key), value);
          if (isSwept) expect(record.version).toBeGreaterThan(applied.clearedThrough);
          if (record.version > applied.clearedThrough)
            found.data.set(keyName(keyOfData(key)), textOf(record));
        } else if (kind === 'request') {
          found.finished.set(key.toString('hex', 3), decodeFinished(key, value));
        } else if (kind === 'request-age') {
          const { seq, requestId } = parseRequestAgeKey(key);
          ages.add(`${seq} ${requestId}`);
        } else {
          index.add(key.toString('hex'));
        }
      }
    }
    expect(found.data).toEqual(new Map([...data].map(([name, record]) => [name, textOf(record)])));
    for (const [name, { expireAtMs }] of data)
      if (expireAtMs !== 0)
        expect(index).toContain(expiryKey(P, expireAtMs, Buffer.from(name, 'latin1')).toString('hex'));
    // The simulated disk forgets no request. Here none is forgotten that is young, and no old one outlives a sweep.
    for (const [id, row] of found.finished) expect(row).toEqual(finished.get(id));
    for (const [id, { seq }] of finished) {
      const isOld = (this.timesMs.get(seq) ?? 0) <= applied.lastTimestampMs - REQUEST_TTL_MS;
      if (!isOld) expect(found.finished.has(id)).toBe(true);
      else if (isSwept) expect(found.finished.has(id)).toBe(false);
      expect(ages.has(`${seq} ${id}`)).toBe(found.finished.has(id));
    }
  }
}

function textOf({
  version,
  expireAtMs,
  contentType,
  payload,
}: PartitionRows['data'] extends Map<string, infer T> ? T : never): string {
  return `${version} ${expireAtMs} ${contentType ?? '-'} ${Buffer.from(payload).toString('hex')}`;
}

describe('the store of a replica under random writes', () => {
  const steps = fc.array(stepArbitrary, { minLength: 5, maxLength: 80, size: 'max' });

  it('holds what the simulated disk holds, in memory', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const storage = new MemoryStorage();
        await Run.of({ storage, reopen: () => Promise.resolve(storage) }, list);
        await storage.close();
      }),
      { numRuns: 100 },
    );
  });

  it('holds what the simulated disk holds, on LevelDB', async () => {
    const directory = await TemporaryDirectory.create();
    let runs = 0;
    try {
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          runs += 1;
          const options = { directory: directory.join(String(runs)), owner: 'the model' };
          let storage = await LevelStorage.open(options);
          const reopen = async (): Promise<Storage> => {
            await storage.close();
            storage = await LevelStorage.open(options);
            return storage;
          };
          try {
            await Run.of({ storage, reopen }, list);
          } finally {
            await storage.close();
          }
        }),
        { numRuns: 10 },
      );
    } finally {
      await directory.remove();
    }
  });
});
