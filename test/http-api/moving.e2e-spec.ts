/**
 * What stays true while partitions change hands on real processes: a listing sees every key that exists throughout once
 * and in order, and a repeated request gets its first answer.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DistStoreClient } from '@diststore/client';
import { type HttpClient, useSandbox } from '@diststore/testing';

import { clusterOf, type WorkerView, workerOf } from '../e2e/cluster-views.js';
import { type Cluster, startCluster } from './cluster-of-three.js';

/** `LIST_KEYS=200000` for the full measure. */
const LIST_KEYS = Number(process.env['LIST_KEYS'] ?? 5000);
/** What a listing of so many keys may take on a busy machine, and all partitions of a worker to move. */
const LONG_MS = 60_000 + LIST_KEYS * 3;
const BATCH_STEPS = 1000;

const sandbox = useSandbox('all');
let cluster: Cluster;
let clients: DistStoreClient[];

beforeAll(async () => {
  cluster = await startCluster(sandbox(), ['--timing=fast']);
  clients = cluster.urls.map((url) => new DistStoreClient({ endpoints: [url], attemptTimeoutMs: 30_000 }));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
});

function clientFor(i: number): DistStoreClient {
  return clients[i % clients.length] as DistStoreClient;
}

/** Partition by partition, who holds it: the primary first. */
async function holders(): Promise<(readonly number[] | null)[]> {
  const partitions = (await cluster.master.http.get('/v1/partitions')).json();
  return (partitions as { replicas: number[] | null }[]).map(({ replicas }) => replicas);
}

describe('a listing', () => {
  const name = (i: number): string => `stays/${String(i).padStart(7, '0')}`;
  const expected = Array.from({ length: LIST_KEYS }, (_, i) => name(i));

  async function viaPages(client: DistStoreClient): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of client.list({ prefix: 'stays/', pageSize: 1000 })) keys.push(key.toString());
    return keys;
  }

  /** Goes on with the cursor of the last line where a stream was cut short. */
  async function viaStream(http: HttpClient): Promise<string[]> {
    let keys: string[] = [];
    for (let query = 'prefix=stays/'; ;) {
      const { text } = await http.get(`/v1/kv?${query}&keysOnly`, {
        headers: { accept: 'application/x-ndjson' },
        timeoutMs: LONG_MS,
      });
      const lines = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { key: string; complete?: boolean; cursor?: string | null });
      const last = lines.pop();
      keys = keys.concat(lines.map(({ key }) => key));
      if (last?.complete === true) return keys;
      if (typeof last?.cursor === 'string') query = `prefix=stays/&cursor=${last.cursor}`;
    }
  }

  function check(keys: readonly string[]): void {
    expect(keys).toEqual([...new Set(keys)].sort());
    expect(keys.filter((key) => !key.endsWith('/fickle'))).toEqual(expected);
  }

  it(
    `of ${LIST_KEYS} keys gives those that exist throughout once, in order, while others come and go and partitions move`,
    async () => {
      const steps = expected.map((key, i) => ({ op: 'put' as const, key, value: `${i}` }));
      for (let i = 0; i < steps.length; i += BATCH_STEPS) {
        const results = await clientFor(i / BATCH_STEPS).batch(steps.slice(i, i + BATCH_STEPS));
        expect(results.every(({ status }) => status === 201)).toBe(true);
      }
      let isDone = false;
      const churn = Promise.all(
        clients.map(async (client, c) => {
          for (let i = c; !isDone; i += clients.length) {
            // Among those that stay, before and behind where the listing has got to.
            const key = `${name((i * 7919) % LIST_KEYS)}/fickle`;
            await client.put(key, 'x');
            await client.put(name((i * 104_729) % LIST_KEYS), 'changed');
            await client.delete(key);
          }
        }),
      );
      try {
        const http = sandbox().client(cluster.urls[1] ?? '');
        const before = await holders();
        // A fourth worker takes its share; then the first one, which is asked for the pages, is left by all it holds.
        expect((await cluster.master.http.get('/worker/4')).status).toBe(201);
        let lists = 0;
        const listUntil = async (isOver: (now: (readonly number[] | null)[]) => boolean): Promise<void> => {
          for (let now = before; !isOver(now); now = await holders()) {
            const [pages, stream] = await Promise.all([viaPages(clientFor(0)), viaStream(http)]);
            check(pages);
            check(stream);
            lists += 1;
          }
        };
        await listUntil((now) => now.some((replicas) => replicas?.[0] === 4));
        await cluster.master.http.post('/v1/workers/1/drain');
        await listUntil((now) => now.every((replicas) => replicas?.includes(1) === false));
        expect(lists).toBeGreaterThanOrEqual(2);
        expect(before.some((replicas) => replicas?.[0] === 1)).toBe(true);
        check(await viaPages(clientFor(0)));
      } finally {
        isDone = true;
        await churn;
      }
    },
    4 * LONG_MS,
  );
});

describe('a repeated request', () => {
  const headers = { 'idempotency-key': 'the same' };
  const key = 'repeated';

  async function holdersOf(http: HttpClient): Promise<number[]> {
    return ((await http.get(`/v1/explain/${key}`)).json() as { replicas: number[] }).replicas;
  }

  /** Of every kind of write that can be named: its first answer, and what the key is then. */
  const writes = [
    ['POST', `/v1/kv/${key}/incr?by=5`, undefined],
    ['POST', '/v1/txn', JSON.stringify({ then: [{ op: 'incr', key: `{${key}}2` }] })],
    ['POST', '/v1/batch', JSON.stringify({ operations: [{ op: 'append', key: `{${key}}3`, value: 'x' }] })],
    ['PUT', `/v1/kv/{${key}}4?ttl=1000`, 'value'],
  ] as const;

  async function send(http: HttpClient): Promise<string[]> {
    const texts: string[] = [];
    for (const [i, [method, target, body]] of writes.entries()) {
      const named = { 'idempotency-key': `${headers['idempotency-key']} ${i}` };
      const answer = await sandbox().eventually(`${method} ${target} is answered`, async () => {
        const given = await http.send(method, target, {
          headers: named,
          ...(body === undefined ? {} : { body }),
        });
        return given.status < 300 && given;
      });
      texts.push(answer.text.replace(/,"repeated":true/g, '').replace(/"replicas":\[[\d,]+\]/g, ''));
    }
    return texts;
  }

  async function values(http: HttpClient): Promise<string[]> {
    const names = [key, `{${key}}2`, `{${key}}3`, `{${key}}4`];
    return Promise.all(names.map(async (name) => (await http.get(`/v1/kv/${name}`)).text));
  }

  it('gets the first answer after a failover, and after every process was started anew', async () => {
    const [one = '', two = ''] = cluster.urls.slice(1);
    const [second, third] = [sandbox().client(one), sandbox().client(two)];
    const first = await send(second);
    const after = await values(second);
    expect(after).toEqual(['5', '1', 'x', 'value']);

    const lead = async (): Promise<number> => (await holdersOf(third))[0] ?? 0;
    const before = await lead();
    const { pid } = (await workerOf(cluster.master, before)) as WorkerView;
    process.kill(pid, 'SIGSTOP');
    try {
      await sandbox().eventually('another worker leads', async () => (await lead()) !== before);
      const other = before === 3 ? second : third;
      expect(await send(other)).toEqual(first);
      expect(await values(other)).toEqual(after);
    } finally {
      process.kill(pid, 'SIGCONT');
    }

    const killed = (await clusterOf(cluster.master)).workers;
    for (const worker of killed) process.kill(worker.pid, 'SIGKILL');
    await sandbox().eventually('all workers run anew', async () => {
      const { workers } = await clusterOf(cluster.master);
      return workers.every(
        ({ pid: now, state }, i) => now !== killed[i]?.pid && ['serving', 'draining'].includes(state),
      );
    });
    expect(await send(third)).toEqual(first);
    expect(await values(third)).toEqual(after);
    const other = await third.post(`/v1/kv/${key}/incr?by=6`, {
      headers: { 'idempotency-key': `${headers['idempotency-key']} 0` },
    });
    expect([other.status, other.text]).toEqual([422, expect.stringContaining('request-id-reused')]);
    expect(await values(third)).toEqual(after);
  }, 180_000);
});
