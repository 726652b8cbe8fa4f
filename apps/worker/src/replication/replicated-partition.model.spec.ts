/**
 * Random operations on a partition of a sole replica against a plain map. Operations are not awaited, so that they
 * overlap with each other and with the sweeps, until a step settles them; their results must be those of the order of
 * the calls. A failure prints seed and path; give them to `fc.assert`.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { partitionId } from '@diststore/cluster';
import type { Result, WriteOperation } from '@diststore/data';
import type { Request } from '@diststore/replication';
import type { Storage } from '@diststore/storage';
import {
  dataRange,
  decodeRecord,
  decodeState,
  expiredRange,
  keyOfData,
  LevelStorage,
  MemoryStorage,
  parseExpiryKey,
  stateKey,
} from '@diststore/storage';
import { ManualClock, TemporaryDirectory } from '@diststore/testing';
import fc from 'fast-check';

import { mapOnOne, partitionsInMemory, SELF } from '../../test/partitions-in-memory.js';
import type { ReplicaHost } from './replica-host.js';
import type { ReplicatedPartition } from './replicated-partition.js';

const ID = partitionId(0);
const MAP = mapOnOne(SELF, 1);
const FAR_MS = Number.MAX_SAFE_INTEGER - 1;

const keyArbitrary = fc
  .constantFrom('a', 'ab', '\x00', '\xff', '\xff\xff')
  .map((key) => Buffer.from(key, 'latin1'));
/** When a value expires, from the time of its put; 0 = never. */
const expiresInArbitrary = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: -5, max: 40 }));
const stepArbitrary = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key: keyArbitrary,
      bytes: fc.nat(20),
      expiresInMs: expiresInArbitrary,
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('delete' as const), key: keyArbitrary }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), key: keyArbitrary }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('swap' as const), key: keyArbitrary, other: keyArbitrary }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('request' as const), key: keyArbitrary, number: fc.nat(3) }),
  },
  ...(['clear', 'sweep expired', 'sweep leftovers', 'settle', 'reopen'] as const).map((name) => ({
    weight: 1,
    arbitrary: fc.record({ do: fc.constant(name) }),
  })),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 30 }) }),
  },
);
type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;

interface Written {
  /** Known when the write has resolved. */
  version: number | undefined;
}

/** An append that was asked for under an id. */
interface Requested {
  readonly key: string;
  readonly expected: object;
  readonly written: Written;
}

interface Value extends Readonly<Written> {
  readonly payload: Buffer;
  readonly expireAtMs: number;
}

/** Runs `steps` on `storage`, and checks on the way what the partition and the storage hold. */
class Run {
  /** What was put and not deleted or cleared, by the order of the calls. Expired values included. */
  private readonly model = new Map<string, Value>();
  private underWay: Promise<unknown>[] = [];
  /** Versions by the order of the calls. */
  private readonly versions: Written[] = [];
  /** By the number of their id. */
  private readonly requested = new Map<number, Requested>();

  private constructor(
    private readonly storage: Storage,
    private readonly clock: ManualClock,
    private host: ReplicaHost,
    private partition: ReplicatedPartition,
    private boot = 1,
  ) {}

  static async of(storage: Storage, steps: readonly Step[]): Promise<void> {
    const clock = new ManualClock();
    const { host, partition } = await opened(storage, clock, 1);
    const run = new Run(storage, clock, host, partition);
    try {
      for (const step of steps) await run.perform(step);
      await run.settle();
      await run.sweepEverything();
    } finally {
      run.host.close();
    }
  }

  private async perform(step: Step): Promise<void> {
    switch (step.do) {
      case 'put':
        this.put(step.key, Buffer.alloc(step.bytes, step.key), step.expiresInMs);
        break;
      case 'delete':
        this.delete(step.key);
        break;
      case 'append':
        this.append(step.key);
        break;
      case 'swap':
        this.swap(step.key, step.other);
        break;
      case 'request':
        this.request(step.key, step.number);
        break;
      case 'clear':
        this.clear();
        break;
      case 'sweep expired':
        this.underWay.push(this.partition.sweepExpired());
        break;
      case 'sweep leftovers':
        this.underWay.push(this.sweepLeftovers());
        break;
      case 'turn':
        await nextTurn();
        break;
      case 'tick':
        this.clock.nowMs += step.ms;
        break;
      case 'settle':
        await this.settle();
        break;
      case 'reopen':
        await this.settle();
        await this.reopen();
        await this.check();
        break;
    }
  }

  private async reopen(): Promise<void> {
    this.host.close();
    this.boot += 1;
    const { host, partition } = await opened(this.storage, this.clock, this.boot);
    this.host = host;
    this.partition = partition;
  }

  private isVisible(value: Value | undefined): value is Value {
    return value !== undefined && (value.expireAtMs === 0 || value.expireAtMs > this.clock.nowMs);
  }

  /** Asks for the operation now, and compares its result with what the model had at this moment. */
  private expectResult(
    operation: WriteOperation,
    expected: object,
    written: readonly Written[],
    request?: Request,
  ): void {
    for (const one of written) this.versions.push(one);
    const check = async (performed: Promise<{ result: Result; repeated: boolean }>): Promise<void> => {
      const { result, repeated } = await performed;
      expect([repeated, result]).toMatchObject([false, expected]);
      for (const one of written) one.version = 'version' in result ? result.version : -1;
    };
    this.underWay.push(check(this.partition.perform(operation, request)));
  }

  private put(key: Buffer, payload: Buffer, expiresInMs: number): void {
    const name = key.toString('latin1');
    const existed = this.isVisible(this.model.get(name));
    const expireAtMs = expiresInMs === 0 ? 0 : this.clock.nowMs + expiresInMs;
    const value = { payload, expireAtMs, version: undefined };
    const expiry =
      expiresInMs === 0 ? ({ type: 'never' } as const) : ({ type: 'at', atMs: expireAtMs } as const);
    const operation = { type: 'put', key, value: payload, contentType: undefined, expiry } as const;
    const isPast = expiresInMs < 0;
    if (isPast && existed) this.model.delete(name);
    else if (!isPast) this.model.set(name, value);
    const expected = isPast
      ? { type: existed ? 'deleted' : 'absent' }
      : { type: 'stored', created: !existed };
    this.expectResult(
      { ...operation, conditions: [], returnOld: false },
      expected,
      isPast && !existed ? [] : [value],
    );
  }

  private delete(key: Buffer): void {
    const name = key.toString('latin1');
    const existed = this.isVisible(this.model.get(name));
    if (existed) this.model.delete(name);
    const operation = { type: 'delete', key, conditions: [], returnOld: false } as const;
    this.expectResult(
      operation,
      { type: existed ? 'deleted' : 'absent' },
      existed ? [{ version: undefined }] : [],
    );
  }

  /** Appends if the id is new; is told what came of it if the same was asked for; and is refused otherwise. */
  private request(key: Buffer, number: number): void {
    const name = key.toString('latin1');
    const request = {
      id: number.toString(16).padStart(32, '0'),
      fingerprint: { hi: 0, lo: key.reduce((sum, byte) => 256 * sum + byte, 0) },
    };
    const known = this.requested.get(number);
    if (known === undefined) {
      this.requested.set(number, { key: name, ...this.append(key, request) });
      return;
    }
    const operation = { type: 'append', key, value: Buffer.from('+'), conditions: [] } as const;
    const performed = this.partition.perform(operation, request);
    const check = async (): Promise<void> => {
      if (known.key !== name) {
        await expect(performed).rejects.toMatchObject({ code: 'request-id-reused' });
        return;
      }
      const { result, repeated } = await performed;
      // It comes behind the first in the order of the calls, so the version is known by now.
      expect([repeated, result]).toMatchObject([true, { ...known.expected, version: known.written.version }]);
    };
    this.underWay.push(check());
  }

  private append(key: Buffer, request?: Request): { expected: object; written: Written } {
    const name = key.toString('latin1');
    const found = this.model.get(name);
    const old = this.isVisible(found) ? found : undefined;
    const payload = Buffer.concat([old?.payload ?? Buffer.alloc(0), Buffer.from('+')]);
    const value = { payload, expireAtMs: old?.expireAtMs ?? 0, version: undefined };
    this.model.set(name, value);
    const operation = { type: 'append', key, value: Buffer.from('+'), conditions: [] } as const;
    const expected = { length: payload.length, created: old === undefined };
    this.expectResult(operation, expected, [value], request);
    return { expected, written: value };
  }

  /** Two values change places in one transaction, if both are there. */
  private swap(a: Buffer, b: Buffer): void {
    const [one, two] = [a, b].map((key) => this.model.get(key.toString('latin1')));
    const held = this.isVisible(one) && this.isVisible(two);
    const hold = Buffer.from('spare');
    const rename = (from: Buffer, key: Buffer) =>
      ({ type: 'copy', from, key, move: true, replace: true }) as const;
    const operation: WriteOperation = {
      type: 'transaction',
      compare: [a, b].map((key) => ({ key, conditions: [{ type: 'present' }] })),
      then: [rename(a, hold), rename(b, a), rename(hold, b)],
      otherwise: [],
      continueOnFailure: false,
    };
    if (!held || a.equals(b)) {
      // Onto itself: the middle one finds nothing to rename, and the value comes back under a new version.
      const value = held ? { ...one, version: undefined } : undefined;
      if (value !== undefined) this.model.set(a.toString('latin1'), value);
      this.expectResult(operation, { held }, value === undefined ? [] : [value]);
      return;
    }
    const written: Written = { version: undefined };
    // Both have the version of the transaction.
    for (const [key, value] of [
      [a, two],
      [b, one],
    ] as const) {
      const { payload, expireAtMs } = value;
      this.model.set(key.toString('latin1'), {
        payload,
        expireAtMs,
        get version() {
          return written.version;
        },
      });
    }
    this.expectResult(operation, { held }, [written]);
  }

  private clear(): void {
    // What has expired counts until it is swept, and sweeps may be under way.
    const visible = [...this.model.values()].filter((value) => this.isVisible(value)).length;
    const stored = this.model.size;
    this.model.clear();
    const check = async (performed: Promise<{ result: Result }>): Promise<void> => {
      const { result } = await performed;
      const removed = result.type === 'cleared' ? result.removed : -1;
      expect([removed >= visible, removed <= stored]).toEqual([true, true]);
    };
    this.underWay.push(check(this.partition.perform({ type: 'clear' })));
  }

  /** As the sweeper does. */
  private sweepLeftovers(): Promise<void> {
    return this.partition.sweepLeftovers(async () => {
      await nextTurn();
      return true;
    });
  }

  private async settle(): Promise<void> {
    await Promise.all(this.underWay);
    this.underWay = [];
    await this.check();
  }

  private async check(): Promise<void> {
    const versions = this.versions.map(({ version }) => version ?? -1);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));

    for (const name of ['a', 'ab', '\x00', '\xff', '\xff\xff', 'spare', 'never put']) {
      const found = await this.partition.get(Buffer.from(name, 'latin1'));
      const value = this.model.get(name);
      const expected = this.isVisible(value)
        ? {
            version: value.version,
            expireAtMs: value.expireAtMs,
            contentType: undefined,
            payload: value.payload,
          }
        : undefined;
      expect([name, found]).toEqual([name, expected]);
    }

    const row = this.storage.getSync(stateKey(ID));
    const state = row === undefined ? { clearedThrough: 0, keys: 0, bytes: 0 } : decodeState(row);
    const counted = (await this.storedRows()).filter(({ version }) => version > state.clearedThrough);
    const keys = counted.length;
    const bytes = counted.reduce((sum, { key, payload }) => sum + key.length + payload.length, 0);
    expect([this.partition.keys, this.partition.bytes]).toEqual([keys, bytes]);
    expect([state.keys, state.bytes]).toEqual([keys, bytes]);

    const indexed = new Set((await this.storedIndex()).map(({ key, expireAtMs }) => `${expireAtMs} ${key}`));
    for (const { key, expireAtMs } of counted)
      if (expireAtMs !== 0) expect(indexed).toContain(`${expireAtMs} ${key}`);
  }

  /** When all is swept, exactly what is visible is stored. */
  private async sweepEverything(): Promise<void> {
    await this.sweepLeftovers();
    expect(this.host.seat(ID).store.clearPending).toBe(false);
    while (await this.partition.sweepExpired());
    await this.check();
    const visible = [...this.model].filter(([, value]) => this.isVisible(value)).map(([name]) => name);
    const rows = await this.storedRows();
    expect(rows.map(({ key }) => key).sort()).toEqual(visible.sort());
    const expiring = rows
      .filter(({ expireAtMs }) => expireAtMs !== 0)
      .map(({ key, expireAtMs }) => `${expireAtMs} ${key}`);
    // An index row may outlive its value until its time comes: it then finds nothing to remove.
    const indexed = (await this.storedIndex()).map(({ key, expireAtMs }) => `${expireAtMs} ${key}`);
    expect(indexed).toEqual(expect.arrayContaining(expiring));
    this.clock.nowMs += 1000;
    while (await this.partition.sweepExpired());
    expect(await this.storedIndex()).toEqual([]);
  }

  private async storedRows(): Promise<
    { key: string; version: number; expireAtMs: number; payload: Buffer }[]
  > {
    const { entries } = await this.storage.page(dataRange(ID));
    return entries.map(({ key: row, value }) => {
      const key = keyOfData(row);
      return { ...decodeRecord(key, value), key: key.toString('latin1') };
    });
  }

  private async storedIndex(): Promise<{ key: string; expireAtMs: number }[]> {
    const { entries } = await this.storage.page(expiredRange(ID, FAR_MS));
    return entries.map(({ key: row }) => {
      const { key, expireAtMs } = parseExpiryKey(row);
      return { key: key.toString('latin1'), expireAtMs };
    });
  }
}

async function opened(
  storage: Storage,
  clock: ManualClock,
  boot: number,
): Promise<{ host: ReplicaHost; partition: ReplicatedPartition }> {
  const wallNowMs = (): number => clock.wallNowMs();
  const limits = { maxValueBytes: 1000 };
  const { host, partitions } = await partitionsInMemory({
    map: MAP,
    limits,
    storage,
    wallNowMs,
    boot,
    // For about two records, so that some are there and some are not.
    recordCacheBytes: 1000,
  });
  const partition = partitions.primary(ID);
  if (partition === undefined) throw new Error('the partition is not led here');
  return { host, partition };
}

describe('ReplicatedPartition of a sole replica under random operations', () => {
  let directory: TemporaryDirectory;
  const steps = fc.array(stepArbitrary, { minLength: 10, maxLength: 80, size: 'max' });

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
  });
  afterAll(() => directory.remove());

  it('does in memory what a map would do', async () => {
    const run = (chosen: readonly Step[]): Promise<void> => Run.of(new MemoryStorage(), chosen);
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 100 });
  }, 30_000);

  it('does on LevelDB what a map would do', async () => {
    let runs = 0;
    const run = async (chosen: readonly Step[]): Promise<void> => {
      runs += 1;
      const storage = await LevelStorage.open({
        directory: directory.join(String(runs)),
        owner: 'the model',
      });
      try {
        await Run.of(storage, chosen);
      } finally {
        await storage.close();
      }
    };
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 8 });
  }, 30_000);
});
