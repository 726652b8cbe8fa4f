/** What holds over three workers: counters, locks, listings in one order, batches and transactions over partitions. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DistStoreClient, isDistStoreError } from '@diststore/client';
import { useSandbox } from '@diststore/testing';

import { startCluster } from './cluster-of-three.js';

const CLIENTS = 100;
const INCREMENTS_PER_CLIENT = 20;

const sandbox = useSandbox('all');
let urls: readonly string[];
let clients: DistStoreClient[];

beforeAll(async () => {
  ({ urls } = await startCluster(sandbox()));
  clients = urls.map((url) => new DistStoreClient({ endpoints: [url], connections: CLIENTS }));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
});

beforeEach(async () => {
  await sandbox()
    .client(urls[0] ?? '')
    .delete('/clear');
});

/** Client i of many, spread over the workers. */
function clientFor(i: number): DistStoreClient {
  return clients[i % clients.length] as DistStoreClient;
}

describe('a counter', () => {
  it(`is exact when ${CLIENTS} clients count through three workers`, async () => {
    const seen = new Set<bigint>();
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, i) => {
        for (let n = 0; n < INCREMENTS_PER_CLIENT; n += 1) {
          const { value } = await clientFor(i).incr('counter');
          seen.add(value);
        }
      }),
    );
    const total = CLIENTS * INCREMENTS_PER_CLIENT;
    expect(seen.size).toBe(total);
    for (const client of clients) expect((await client.get('counter'))?.value.toString()).toBe(`${total}`);
  });

  it('by compare-and-swap comes to the same', async () => {
    await clientFor(0).put('swapped', '0');
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        for (let n = 0; n < 5;) {
          const found = await clientFor(i).get('swapped');
          const next = `${Number(found?.value.toString()) + 1}`;
          try {
            await clientFor(i).put('swapped', next, { ifMatch: found?.version ?? 0 });
            n += 1;
          } catch (error) {
            if (!isDistStoreError(error, 'precondition-failed')) throw error;
          }
        }
      }),
    );
    expect((await clientFor(0).get('swapped'))?.value.toString()).toBe('60');
  });
});

describe('a lock', () => {
  it('with If-None-Match: * and a lifetime never has two holders', async () => {
    const ttlMs = 30_000;
    let holders = 0;
    let turns = 0;
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        for (let n = 0; n < 3;) {
          let version: number;
          try {
            ({ version } = await clientFor(i).put('lock', `holder ${i}`, { ifNoneMatch: '*', ttlMs }));
          } catch (error) {
            if (!isDistStoreError(error, 'precondition-failed')) throw error;
            continue;
          }
          holders += 1;
          expect(holders).toBe(1);
          // What is done under the lock takes a while, in which the others try.
          await clientFor(i + 1).get('lock');
          holders -= 1;
          await clientFor(i + 1).delete('lock', { ifMatch: version });
          turns += 1;
          n += 1;
        }
      }),
    );
    expect(turns).toBe(36);
  });

  it('is free again when its lifetime is over', async () => {
    await clientFor(0).put('lock', 'gone', { ifNoneMatch: '*', ttlMs: 300 });
    await expect(clientFor(1).put('lock', 'next', { ifNoneMatch: '*' })).rejects.toMatchObject({
      code: 'precondition-failed',
    });
    await sandbox().eventually('the lock is free', () =>
      clientFor(1)
        .put('lock', 'next', { ifNoneMatch: '*' })
        .then(() => true),
    );
  });
});

describe('a listing', () => {
  const name = (i: number): string => `stays/${String(i).padStart(7, '0')}`;

  async function fill(count: number): Promise<void> {
    const steps = Array.from({ length: count }, (_, i) => ({
      op: 'put' as const,
      key: name(i),
      value: `${i}`,
    }));
    for (let i = 0; i < steps.length; i += 1000) {
      const results = await clientFor(i / 1000).batch(steps.slice(i, i + 1000));
      expect(results.every(({ status }) => status === 201)).toBe(true);
    }
  }

  it('is the same through every worker, with values', async () => {
    await fill(1200);
    for (const client of clients) {
      const items = [];
      for await (const { key, value } of client.list({ start: name(100), end: name(1100), pageSize: 77 })) {
        items.push(`${key.toString()}=${value.toString()}`);
      }
      expect(items).toEqual(Array.from({ length: 1000 }, (_, i) => `${name(i + 100)}=${i + 100}`));
    }
  });
});

describe('several keys', () => {
  it('a batch goes over all partitions and keeps the order of each', async () => {
    const steps = Array.from({ length: 900 }, (_, i) => ({ op: 'incr' as const, key: `k${i % 300}` }));
    const results = await clientFor(0).batch(steps);
    expect(results.map(({ number }) => number)).toEqual(steps.map((_, i) => BigInt(Math.floor(i / 300) + 1)));
  });

  it('a transaction over slots is refused whole, one within a slot is done', async () => {
    const steps = (tag: string) => [
      { op: 'put' as const, key: `${tag}a`, value: '1' },
      { op: 'put' as const, key: `${tag}b`, value: '2' },
    ];
    await expect(clientFor(0).txn({ then: steps('') })).rejects.toMatchObject({
      code: 'cross-slot',
      status: 422,
    });
    expect(await clientFor(0).get('a')).toBeUndefined();
    for (const client of clients) {
      const { held, results } = await client.txn({ then: steps('{t}') });
      expect([held, results.length]).toEqual([true, 2]);
    }
    expect((await clientFor(1).get('{t}b'))?.value.toString()).toBe('2');
  });

  it('an export of one worker is imported through another', async () => {
    await clientFor(0).batch(
      Array.from({ length: 500 }, (_, i) => ({ op: 'put', key: `e${i}`, value: `${i}` })),
    );
    const [first, second] = urls.map((url) => sandbox().client(url));
    const exported = await first?.get('/v1/export');
    await first?.delete('/clear');
    const imported = await second?.post('/v1/import', { body: exported?.body ?? '' });
    expect(JSON.parse(imported?.text ?? '')).toMatchObject({ done: true, stored: 500, failed: 0 });
    expect((await clientFor(2).get('e499'))?.value.toString()).toBe('499');
  });
});
