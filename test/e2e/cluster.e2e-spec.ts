/**
 * The cluster as its users see it: keys spread over workers, any worker answering for any key, and the master off the
 * data path. Real processes on one machine.
 */
import { connect } from 'node:net';

import { describe, expect, it } from '@jest/globals';
import { type App, type HttpClient, type Sandbox, useSandbox } from '@diststore/testing';

import { expectProblem } from './problem.js';

const sandbox = useSandbox('each');

/** `CLUSTER_KEYS=100000` for the full measure. */
const KEYS = Number(process.env['CLUSTER_KEYS'] ?? 6000);
const CONCURRENCY = 64;

interface Cluster {
  readonly master: App;
  /** By index, from 1. */
  readonly workers: HttpClient[];
}

async function startCluster(box: Sandbox, count: number, flags: readonly string[] = []): Promise<Cluster> {
  const master = await box.startMaster({ flags: [`--bootstrap-expect=${count}`, ...flags] });
  const workers: HttpClient[] = [];
  for (let index = 1; index <= count; index += 1) workers[index] = await addWorker(box, master, index);
  await untilReady(box, workers);
  return { master, workers };
}

async function addWorker(box: Sandbox, master: App, index: number): Promise<HttpClient> {
  const created = await master.http.get(`/worker/${index}`);
  expect([201, 200]).toContain(created.status);
  const { urls } = created.json() as { urls: { http: string } };
  return box.client(urls.http, { connections: CONCURRENCY });
}

/** Until every worker knows of a primary for every partition. */
async function untilReady(box: Sandbox, workers: readonly HttpClient[]): Promise<void> {
  for (const worker of workers.filter(Boolean)) {
    await box.eventually('the map is whole', async () => {
      const { health, formed } = (await worker.get('/v1/cluster')).json() as {
        health: { unserved: number };
        formed: boolean;
      };
      return formed && health.unserved === 0;
    });
  }
}

/** Runs `work` for 0 to count - 1, CONCURRENCY at a time. */
async function forEach(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
}

function some<T>(list: readonly T[], i: number): T {
  const present = list.filter(Boolean);
  return present[(i * 7919) % present.length] as T;
}

describe('placement hashed', () => {
  it('spreads the keys evenly, answers for each through any worker, and does not need the master for it', async () => {
    const box = sandbox();
    const { master, workers } = await startCluster(box, 3);
    await forEach(KEYS, async (i) => {
      if (i === Math.floor(KEYS / 2)) await master.process.kill();
      const stored = await some(workers, i).put(`/put/key-${i}/value-${i}`);
      expect(stored.status).toBe(201);
    });
    await forEach(KEYS, async (i) => {
      const read = await some(workers, i + 1).get(`/get/key-${i}`);
      expect([read.status, read.text]).toEqual([200, `value-${i}`]);
    });
    const counts = await Promise.all(
      workers.filter(Boolean).map(async (worker) => {
        return ((await worker.get('/worker')).json() as { keys: number }).keys;
      }),
    );
    expect(counts.reduce((sum, count) => sum + count)).toBe(KEYS);
    for (const count of counts) expect(Math.abs(count - KEYS / 3)).toBeLessThan((KEYS / 3) * 0.15);
  });

  it('gives the same answer through every worker: values, receipts, deletes, errors', async () => {
    const box = sandbox();
    const { workers } = await startCluster(box, 2);
    const [, one, two] = workers as [never, HttpClient, HttpClient];
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_unused, byte) => byte));
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const stored = await one.put(`/put/${key}`, everyByte, { headers: { 'content-type': 'image/png' } });
      expect(stored.status).toBe(201);
      const [here, there] = [await one.get(`/get/${key}`), await two.get(`/get/${key}`)];
      expect(there.body).toEqual(everyByte);
      for (const header of [
        'etag',
        'content-type',
        'diststore-version',
        'diststore-partition',
        'diststore-replicas',
      ]) {
        expect([header, there.headers[header]]).toEqual([header, here.headers[header]]);
      }
      expect((await two.head(`/get/${key}`)).headers['content-length']).toBe('256');
      expect((await two.delete(`/delete/${key}`)).status).toBe(200);
      expectProblem(await one.get(`/get/${key}`), { status: 404, code: 'key-not-found' });
      expectProblem(await one.delete(`/delete/${key}`), { status: 404, code: 'key-not-found' });
    }
    for (const key of ['a', 'b', 'c', 'd']) await one.put(`/put/${key}/1?ttlMs=1`);
    await box.eventually('the values have expired everywhere', async () => {
      const answers = await Promise.all(['a', 'b', 'c', 'd'].map((key) => two.get(`/get/${key}`)));
      return answers.every(({ status }) => status === 404);
    });
    await forEach(100, async (i) => {
      await one.put(`/put/k${i}/x`);
    });
    expect((await two.delete('/clear')).json()).toMatchObject({ workers: [1, 2] });
    expectProblem(await one.get('/get/k5'), { status: 404, code: 'key-not-found' });
  });

  it('forwards a value of the largest size both ways', async () => {
    const { workers } = await startCluster(sandbox(), 2);
    const [, one, two] = workers as [never, HttpClient, HttpClient];
    const value = Buffer.alloc(16 * 1024 * 1024, 'x');
    for (const key of ['a', 'b', 'c', 'd']) {
      expect((await one.put(`/put/${key}`, value)).status).toBe(201);
      expect((await two.get(`/get/${key}`)).body.equals(value)).toBe(true);
    }
    expectProblem(await one.put('/put/a', Buffer.concat([value, value.subarray(0, 1)])), {
      status: 413,
      code: 'value-too-large',
    });
  });

  it('lets a further worker join, which answers for every key at once', async () => {
    const box = sandbox();
    const { master, workers } = await startCluster(box, 2);
    await workers[1]?.put('/put/a/1');
    await workers[1]?.put('/put/b/2');
    const third = await addWorker(box, master, 3);
    await untilReady(box, [third]);
    expect((await third.get('/get/a')).text + (await third.get('/get/b')).text).toBe('12');
    expect((await third.put('/put/c/3')).status).toBe(201);
  });

  it('says that a key cannot be served while its worker is dead, serves all others, and the key when it is back', async () => {
    const box = sandbox();
    const { master, workers } = await startCluster(box, 2, ['--heartbeat-ms=100', '--silent-after-ms=300']);
    const [, one] = workers as [never, HttpClient];
    await forEach(40, async (i) => {
      await one.put(`/put/k${i}/v${i}`);
    });
    const second = (await master.http.get('/master')).json() as { workers: { index: number; pid: number }[] };
    const pid = second.workers.find(({ index }) => index === 2)?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    const while1Down = await Promise.all(Array.from({ length: 40 }, (_unused, i) => one.get(`/get/k${i}`)));
    const failed = while1Down.filter(({ status }) => status !== 200);
    for (const answer of failed) expectProblem(answer, { status: 503, code: 'retry-later' });
    expect(while1Down.length - failed.length).toBeGreaterThan(5);
    await box.eventually('every key is served again', async () => {
      const answers = await Promise.all(Array.from({ length: 40 }, (_unused, i) => one.get(`/get/k${i}`)));
      return answers.every(({ status, text }, i) => status === 200 && text === `v${i}`);
    });
  });

  it('with one replica, serves what it held after all processes were killed, also while the master is away', async () => {
    const box = sandbox();
    const { master, workers } = await startCluster(box, 2, ['--replication-factor=1']);
    await forEach(40, async (i) => {
      await workers[1]?.put(`/put/k${i}/v${i}`);
    });
    const ports = [master.port + 1, master.port + 2];
    await master.process.kill();
    for (const pid of await box.pids()) process.kill(pid, 'SIGKILL');
    await box.eventually('all processes are gone', async () => (await box.pids()).length === 0);
    const again = await Promise.all(
      ports.map((port, i) => box.startWorker({ index: i + 1, port, masterUrl: master.url })),
    );
    for (const { http } of again) {
      const answers = await Promise.all(Array.from({ length: 40 }, (_unused, i) => http.get(`/get/k${i}`)));
      expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 40 }, (_unused, i) => `v${i}`));
    }
  });

  it('shows the map through every process, and where a key is', async () => {
    const { master, workers } = await startCluster(sandbox(), 3);
    await workers[1]?.put('/put/a%2Fb/happy');
    for (const http of [master.http, ...workers.filter(Boolean)]) {
      expect((await http.get('/v1/cluster')).json()).toMatchObject({
        placement: 'hashed',
        formed: true,
        partitions: 64,
        workers: { up: 3, down: 0 },
        health: { served: 64, unserved: 0 },
      });
      const partitions = (await http.get('/v1/partitions')).json() as {
        slots: [number, number];
        primary: number;
      }[];
      expect(partitions).toHaveLength(64);
      expect(partitions.at(0)?.slots[0]).toBe(0);
      expect(partitions.at(-1)?.slots[1]).toBe(16_383);
      expect(((await http.get('/v1/workers')).json() as object[]).length).toBe(3);
    }
    const explained = (await workers[2]?.get('/v1/explain/a/b'))?.json() as {
      primary: number;
      replicas: number[];
      slot: number;
    };
    expect(explained).toMatchObject({ key: 'a/b', stored: true, version: 1, valueBytes: 5, epoch: 1 });
    const { headers } = (await workers[3]?.get('/get/a%2Fb')) as { headers: Record<string, unknown> };
    expect(headers['diststore-replicas']).toBe(explained.replicas.join(','));
  });

  it('redirects on the master to the worker that holds the key', async () => {
    const { master, workers } = await startCluster(sandbox(), 3);
    const { replicas } = (await workers[1]?.put('/put/A/happy'))?.json() as { replicas: number[] };
    const redirect = await master.http.get('/get/A');
    expect([redirect.status, redirect.headers.location]).toEqual([
      307,
      `http://127.0.0.1:${master.port + (replicas[0] ?? 0)}/get/A`,
    ]);
  });

  it('forms one whole cluster although the master is killed again and again meanwhile', async () => {
    const box = sandbox();
    let master = await box.startMaster({ flags: ['--bootstrap-expect=3'] });
    const { port } = master;
    for (let round = 0; round < 6; round += 1) {
      // Each time a little later: before, during and after the admission of each worker.
      const asked = [1, 2, 3].map((index) => master.http.get(`/worker/${index}`).catch(() => undefined));
      await Promise.race([Promise.all(asked), new Promise((resolve) => setTimeout(resolve, 150 * round))]);
      await master.process.kill();
      master = await box.startMaster({ port, flags: ['--bootstrap-expect=3'] });
    }
    for (const index of [1, 2, 3]) {
      await box.eventually(`worker ${index} serves`, async () => {
        return [200, 201].includes((await master.http.get(`/worker/${index}`)).status);
      });
    }
    const workers = [1, 2, 3].map((index) => box.client(`http://127.0.0.1:${port + index}`));
    await untilReady(box, workers);
    const maps = await Promise.all(workers.map(async (http) => (await http.get('/v1/partitions')).json()));
    expect(maps[1]).toEqual(maps[0]);
    expect(maps[2]).toEqual(maps[0]);
    await forEach(200, async (i) => {
      expect((await some(workers, i).put(`/put/k${i}/v${i}`)).status).toBe(201);
      expect((await some(workers, i + 1).get(`/get/k${i}`)).text).toBe(`v${i}`);
    });
  });

  it('goes on although its peer port is fed with garbage', async () => {
    const { workers } = await startCluster(sandbox(), 2);
    const [, one, two] = workers as [never, HttpClient, HttpClient];
    const port = Number(new URL(one.url).port);
    const hello = 'GET /peer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: diststore-peer\r\n';
    for (const junk of [
      `${hello}\r\n`,
      `${hello}DistStore-Hello: {"protocolMin":1}\r\n\r\n`,
      `${hello}DistStore-Hello: ?\r\n\r\n\0\0\xff`,
    ]) {
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(junk, 'latin1'));
        socket.on('data', (chunk) => (text += chunk.toString('latin1')));
        socket.on('close', () => resolve(text));
        socket.on('error', () => socket.destroy());
      });
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    for (const key of ['a', 'b', 'c', 'd']) {
      expect((await two.put(`/put/${key}/1`)).status).toBe(201);
      expect((await one.get(`/get/${key}`)).text).toBe('1');
    }
  });
});

describe('placement local', () => {
  it('keeps a value on the worker that was asked, and only there', async () => {
    const box = sandbox();
    const master = await box.startMaster({ flags: ['--placement=local'] });
    const [one, two] = [await addWorker(box, master, 1), await addWorker(box, master, 2)] as const;
    for (const http of [one, two]) {
      await box.eventually(
        'the worker has its partition',
        async () => (await http.get('/get/x')).status === 404,
      );
    }
    expect((await one.put('/put/A/happy')).json()).toEqual({
      key: 'A',
      version: 1,
      partition: 1,
      replicas: [1],
    });
    expectProblem(await two.get('/get/A'), { status: 404, code: 'key-not-found' });
    expect((await two.put('/put/A/sad')).json()).toEqual({
      key: 'A',
      version: 1,
      partition: 2,
      replicas: [2],
    });
    expect((await two.delete('/clear')).json()).toEqual({ removed: 1, workers: [2] });
    expect((await one.get('/get/A')).text).toBe('happy');
    expectProblem(await master.http.get('/get/A'), { status: 400, code: 'bad-parameter' });
    expect((await master.http.get('/get/A?worker=1')).headers.location).toBe(`${one.url}/get/A?worker=1`);
  });

  it('cannot be changed once the cluster is formed', async () => {
    const box = sandbox();
    const master = await box.startMaster({ flags: ['--placement=local'] });
    await master.process.stop();
    const other = await box.launchMaster({ flags: ['--placement=hashed'] });
    expect(await other.process.untilExit()).toMatchObject({ code: 1 });
    expect(other.process.output).toContain('formed with placement local');
  });
});
