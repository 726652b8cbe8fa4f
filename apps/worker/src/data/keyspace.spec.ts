/** The keyspace over a router that knows two partitions, told apart by the first byte of the key. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import { partitionId } from '@diststore/cluster';
import type { Operation } from '@diststore/data';

import { mapOnOne, partitionsInMemory, SELF } from '../../test/partitions-in-memory.js';
import type { StaleRecord } from '../replication/replicated-partition.js';
import type { Router } from '../routing/router.js';
import { Keyspace } from './keyspace.js';
import type { Partition } from './partition.js';

const HERE = partitionId(0);
const THERE = partitionId(1);
const a = Buffer.from('a');
const a2 = Buffer.from('a2');
const z = Buffer.from('z');

describe('Keyspace', () => {
  let here: Partition;
  let there: Partition;
  let router: Router;
  let keyspace: Keyspace;
  /** How often the other partition was written to through the router. */
  let forwarded: number;

  const partitionOf = (key: Buffer) => (key[0] === z[0] ? THERE : HERE);
  const routeTo = (partition: number) =>
    partition === HERE
      ? { partition: HERE, replicas: [1], local: here }
      : { partition: THERE, replicas: [2], local: undefined };

  beforeEach(async () => {
    const { partitions } = await partitionsInMemory({ map: mapOnOne(SELF, 2), limits: { maxValueBytes: 10 } });
    [here, there] = partitions.primaries() as unknown as [Partition, Partition];
    forwarded = 0;
    const routes: Pick<Router, 'route' | 'routeTo' | 'perform' | 'get'> = {
      route: (key) => routeTo(partitionOf(key)),
      routeTo,
      perform: (partition, operation) => {
        if (partition === HERE) return here.perform(operation);
        forwarded += 1;
        return there.perform(operation);
      },
      get: async (partition, key) => (partition === HERE ? here : there).get(key),
    };
    router = routes as Router;
    keyspace = new Keyspace(router, { primaries: () => [here], replica: () => undefined }, { maxValueBytes: 10 });
  });

  it('does an operation where its key is, and says who holds it', async () => {
    expect(await keyspace.put(a, Buffer.from('1'))).toEqual({ version: 1, created: true, partition: HERE, replicas: [1] });
    expect(await keyspace.perform({ type: 'add', key: z, by: 7n, conditions: [] })).toEqual({
      result: { type: 'number', version: 1, number: '7', created: true },
      repeated: false,
      partition: THERE,
      replicas: [2],
    });
    expect(forwarded).toBe(1);
    expect(await keyspace.perform({ type: 'get', key: z })).toMatchObject({ result: { record: { version: 1 } } });
    expect(await keyspace.perform({ type: 'get', key: a })).toMatchObject({ result: { record: { version: 1 } } });
    expect(await keyspace.get(z)).toMatchObject({ record: { version: 1 }, holders: { replicas: [2] } });
    expect(keyspace.get(a)).toMatchObject({ record: { version: 1 }, holders: { replicas: [1] } });
    expect(await keyspace.delete(a)).toEqual({ version: 2, partition: HERE, replicas: [1] });
    expect(await keyspace.delete(a)).toBeUndefined();
    expect([keyspace.keys, keyspace.bytes]).toEqual([0, 0]);
  });

  it('answers a stale read as the primary does while the replica here is not to be read', async () => {
    const reading = (readStale: () => Promise<StaleRecord>) =>
      new Keyspace(router, { primaries: () => [here], replica: () => ({ readStale }) }, { maxValueBytes: 10 });
    await keyspace.put(a, Buffer.from('1'));
    const sound = reading(() => Promise.resolve({ record: undefined, asOfSeq: 0, lagMs: 70 }));
    expect(await sound.getAs(a, 'stale')).toMatchObject({ record: undefined, served: 'stale', lagMs: 70 });
    const damaged = reading(() => Promise.reject(new StoreError('retry-later', 'Others have it.')));
    expect(await damaged.getAs(a, 'stale')).toMatchObject({
      record: { version: 1 },
      served: 'linearizable',
      lagMs: 0,
    });
    const alone = reading(() => Promise.reject(new StoreError('record-corrupt', 'Nobody has it.')));
    await expect(alone.getAs(a, 'stale')).rejects.toMatchObject({ code: 'record-corrupt' });
  });

  const get = (key: Buffer) => ({ type: 'get', key }) as const;
  const transaction = (...keys: Buffer[]): Operation => ({
    type: 'transaction',
    compare: [],
    then: keys.map(get),
    otherwise: [],
    continueOnFailure: false,
  });

  it.each<[string, Operation]>([
    ['a transaction', transaction(a, a2, z)],
    ['a copy', { type: 'copy', from: a, key: z, move: false, replace: true }],
    ['a bit operation', { type: 'bit-operation', operator: 'or', key: a, sources: [a2, z] }],
  ])('refuses %s over two partitions, and does nothing of it', async (_what, operation) => {
    await expect(async () => keyspace.perform(operation)).rejects.toMatchObject({ code: 'cross-slot' });
    expect(forwarded).toBe(0);
  });

  it('does operations on several keys of one partition', async () => {
    expect(await keyspace.perform(transaction(a, a2))).toMatchObject({ result: { held: true }, partition: HERE });
  });

  it.each<[string, Operation]>([
    ['a transaction without keys', transaction()],
    ['a clear', { type: 'clear' }],
  ])('refuses %s, which belongs to no partition', async (_what, operation) => {
    await expect(async () => keyspace.perform(operation)).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('holds every limit before it asks anybody', async () => {
    const tooLarge = Buffer.alloc(11);
    await expect(keyspace.put(z, tooLarge)).rejects.toMatchObject({ code: 'value-too-large' });
    await expect(keyspace.put(Buffer.alloc(0), a)).rejects.toMatchObject({ code: 'key-empty' });
    expect(() => keyspace.get(Buffer.alloc(1025))).toThrow(expect.objectContaining({ code: 'key-too-long' }));
    expect(forwarded).toBe(0);
  });
});
