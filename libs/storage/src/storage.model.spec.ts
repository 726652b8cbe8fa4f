/**
 * Random operations on LevelDB against a plain map, with reopening in between. Small keys, so that they collide, and
 * some large values, so that LevelDB flushes and compacts. A failure prints seed and path; give them to `fc.assert`.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TemporaryDirectory } from '@diststore/testing';
import fc from 'fast-check';

import { LevelStorage } from './level-storage.js';
import type { KeyRange, Page, Reader, Snapshot, WriteOp } from './storage.js';

type Model = Map<string, Buffer>;

const SMALLEST_WRITE_BUFFER_BYTES = 64 * 1024;

const keyArbitrary = fc
  .array(fc.constantFrom(0x00, 0x01, 0x61, 0xfe, 0xff), { minLength: 1, maxLength: 3 })
  .map((bytes) => Buffer.from(bytes));
const valueArbitrary = fc
  .tuple(fc.oneof({ weight: 9, arbitrary: fc.nat(40) }, fc.integer({ min: 4000, max: 20_000 })), fc.nat(255))
  .map(([length, byte]) => Buffer.alloc(length, byte));
const opArbitrary: fc.Arbitrary<WriteOp> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key: keyArbitrary, value: valueArbitrary }),
  fc.record({ type: fc.constant('del' as const), key: keyArbitrary }),
);
const stepArbitrary = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('write' as const), ops: fc.array(opArbitrary, { maxLength: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), key: keyArbitrary }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('page' as const),
      gte: keyArbitrary,
      lt: keyArbitrary,
      limit: fc.integer({ min: 1, max: 20 }),
      reverse: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('snapshot' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);
type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;

function apply(model: Model, ops: readonly WriteOp[]): void {
  for (const op of ops) {
    if (op.type === 'put') model.set(op.key.toString('latin1'), op.value);
    else model.delete(op.key.toString('latin1'));
  }
}

function pageOf(model: Model, range: KeyRange, limit: number, reverse: boolean): Page {
  const inRange = [...model]
    .map(([key, value]) => ({ key: Buffer.from(key, 'latin1'), value }))
    .filter(({ key }) => Buffer.compare(key, range.gte) >= 0 && Buffer.compare(key, range.lt) < 0)
    .sort((a, b) => Buffer.compare(a.key, b.key));
  if (reverse) inRange.reverse();
  return { entries: inRange.slice(0, limit), done: inRange.length <= limit };
}

/** As text: Jest compares long buffers slowly. */
function show({ entries, done }: Page): { entries: string[]; done: boolean } {
  return {
    entries: entries.map(({ key, value }) => `${key.toString('hex')} ${value.toString('latin1')}`),
    done,
  };
}

async function expectSame(reader: Reader, model: Model): Promise<void> {
  const everything = { gte: Buffer.alloc(0), lt: Buffer.alloc(4, 0xff) };
  expect(show(await reader.page(everything))).toEqual(show(pageOf(model, everything, 1000, false)));
}

describe('LevelStorage under random operations', () => {
  let directory: TemporaryDirectory;
  let runs = 0;

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
  });
  afterAll(() => directory.remove());

  async function run(steps: readonly Step[]): Promise<void> {
    runs += 1;
    const options = {
      directory: directory.join(String(runs)),
      owner: 'the model',
      writeBufferBytes: SMALLEST_WRITE_BUFFER_BYTES,
    };
    const model: Model = new Map();
    let storage = await LevelStorage.open(options);
    let writes: Promise<void>[] = [];
    let snapshot: { reader: Snapshot; model: Model } | undefined;
    const settle = async (): Promise<void> => {
      await Promise.all(writes);
      writes = [];
    };
    const closeSnapshot = async (): Promise<void> => {
      if (snapshot === undefined) return;
      await expectSame(snapshot.reader, snapshot.model);
      await snapshot.reader.close();
      snapshot = undefined;
    };
    try {
      for (const step of steps) {
        switch (step.do) {
          case 'write':
            writes.push(storage.write(step.ops));
            apply(model, step.ops);
            break;
          case 'get': {
            await settle();
            const expected = model.get(step.key.toString('latin1'))?.toString('latin1');
            expect(storage.getSync(step.key)?.toString('latin1')).toBe(expected);
            expect((await storage.get(step.key))?.toString('latin1')).toBe(expected);
            break;
          }
          case 'page': {
            await settle();
            const page = await storage.page(step, { limit: step.limit, reverse: step.reverse });
            expect(show(page)).toEqual(show(pageOf(model, step, step.limit, step.reverse)));
            break;
          }
          case 'snapshot':
            await settle();
            await closeSnapshot();
            snapshot = { reader: storage.snapshot(), model: new Map(model) };
            break;
          case 'reopen':
            await closeSnapshot();
            await storage.close();
            await settle();
            storage = await LevelStorage.open(options);
            await expectSame(storage, model);
            break;
        }
      }
      await settle();
      await closeSnapshot();
      await expectSame(storage, model);
    } finally {
      await storage.close();
    }
  }

  it('holds what a map would hold', async () => {
    const steps = fc.array(stepArbitrary, { minLength: 20, maxLength: 120, size: 'max' });
    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 10 });
  }, 30_000);
});
