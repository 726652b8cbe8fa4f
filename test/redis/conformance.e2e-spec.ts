/**
 * One set of commands and replies for everybody: a raw client in RESP2 and RESP3 on both ports of a worker of three,
 * the client libraries in their current and previous major versions, and redis-server itself where it is installed.
 */
import { execFileSync } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePorts, type RunningProcess, useSandbox } from '@diststore/testing';
import { Redis as Redis6 } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { createClient as createClient6, RESP_TYPES as TYPES_6 } from 'redis';
import { createClient as createClient5, RESP_TYPES as TYPES_5 } from 'redis5';

import { conformanceGroups, type ConformanceStep, normalised, wordsOf } from './conformance.js';
import { type RedisCluster, startRedisCluster } from './redis-cluster.js';
import { RedisConnection } from './redis-connection.js';

const sandbox = useSandbox('all');
let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster(sandbox(), 3);
}, 120_000);

const groups = conformanceGroups();

/** The port of whom the keys of the transcript belong to; they all have one hash tag. */
async function ownerPort(): Promise<number> {
  const first = cluster.workers[0]?.clusterPort ?? 0;
  const client = await RedisConnection.open(first);
  const reply = String(await client.call('GET', '{t}a'));
  client.close();
  const [, moved] = /^-MOVED \d+ 127\.0\.0\.1:(\d+)$/.exec(reply) ?? [];
  return moved === undefined ? first : Number(moved);
}

function gatewayPort(): number {
  return cluster.workers[1]?.gatewayPort ?? 0;
}

async function check(client: RedisConnection, steps: readonly ConformanceStep[]): Promise<void> {
  for (const { line, expected } of steps)
    expect([line, normalised(await client.call(...wordsOf(line)))]).toEqual([line, expected]);
}

describe.each([2, 3])('RESP%i', (version) => {
  async function fresh(port: number): Promise<RedisConnection> {
    const client = await RedisConnection.open(port);
    await client.call('FLUSHALL');
    if (version === 3) await client.call('HELLO', 3);
    return client;
  }

  it.each(groups.map((group) => [group.name, group] as const))(
    '%s, on the gateway port',
    async (_name, { steps }) => {
      const client = await fresh(gatewayPort());
      await check(client, steps);
      client.close();
    },
  );

  it.each(groups.map((group) => [group.name, group] as const))(
    '%s, on the cluster port',
    async (_name, { steps }) => {
      const client = await fresh(await ownerPort());
      await check(client, steps);
      client.close();
    },
  );
});

/** Undefined when it is not installed. */
function redisServerVersion(): string | undefined {
  try {
    return /v=(\d+\.\d+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1];
  } catch {
    return undefined;
  }
}

const version = redisServerVersion();
const known = (since: ConformanceStep['since']): boolean =>
  since === 'always' || (since === '7.2' && Number(version) >= 7.2);

(version === undefined ? describe.skip : describe)(`redis-server ${version ?? 'is not installed'}`, () => {
  let port = 0;
  let redisServer: RunningProcess | undefined;
  beforeAll(async () => {
    port = await freePorts();
    const args = ['--port', `${port}`, '--save', '', '--appendonly', 'yes', '--dir', sandbox().folder];
    redisServer = await sandbox().run('redis-server', { program: 'redis-server', args });
    await redisServer.untilPrints(/Ready to accept/);
  });
  // It writes its title over its environment, by which the sandbox would find it.
  afterAll(async () => {
    await redisServer?.kill();
  });

  it.each(groups.map((group) => [group.name, group] as const))('%s', async (_name, { steps }) => {
    const client = await RedisConnection.open(port);
    await client.call('FLUSHALL');
    await check(
      client,
      steps.filter(({ since }) => known(since)),
    );
    client.close();
  });
});

/** What a library is asked through, and how it is closed. */
interface Library {
  readonly call: (words: readonly Buffer[]) => Promise<unknown>;
  readonly close: () => unknown;
}

const LIBRARIES: readonly (readonly [string, () => Library | Promise<Library>])[] = [
  ['ioredis 6', () => ioredis(new Redis6(gatewayPort(), '127.0.0.1'))],
  ['ioredis 5', () => ioredis(new Redis5(gatewayPort(), '127.0.0.1'))],
  ['node-redis 6', () => nodeRedis6()],
  ['node-redis 5', () => nodeRedis5()],
];

interface IoredisLike {
  callBuffer(command: string, ...args: Buffer[]): Promise<unknown>;
  disconnect(): void;
}

function ioredis(client: unknown): Library {
  const redis = client as IoredisLike;
  return {
    call: ([name, ...args]) => redis.callBuffer(String(name), ...args),
    close: () => redis.disconnect(),
  };
}

async function nodeRedis6(): Promise<Library> {
  const client = createClient6({ socket: { host: '127.0.0.1', port: gatewayPort() } });
  client.on('error', () => undefined);
  await client.connect();
  const options = { typeMapping: { [TYPES_6.BLOB_STRING]: Buffer } };
  return { call: (words) => client.sendCommand([...words], options), close: () => client.destroy() };
}

async function nodeRedis5(): Promise<Library> {
  const client = createClient5({ socket: { host: '127.0.0.1', port: gatewayPort() } });
  client.on('error', () => undefined);
  await client.connect();
  const options = { typeMapping: { [TYPES_5.BLOB_STRING]: Buffer } };
  return { call: (words) => client.sendCommand([...words], options), close: () => client.destroy() };
}

/** Libraries keep the state of the connection themselves, so commands that change it under them are left out. */
const STATEFUL = ['transactions', 'connection'];

describe.each(LIBRARIES)('%s', (_library, open) => {
  let library: Library;
  beforeAll(async () => {
    library = await open();
  });
  afterAll(async () => {
    await library.close();
  });

  it.each(groups.filter(({ name }) => !STATEFUL.includes(name)).map((group) => [group.name, group] as const))(
    '%s',
    async (_name, { steps }) => {
      await library.call([Buffer.from('FLUSHALL')]);
      for (const { line, expected } of steps) {
        const reply = await library
          .call(wordsOf(line))
          .catch((error: unknown) => `-${(error as Error).message}`);
        expect([line, likeLibrary(reply)]).toEqual([line, likeLibrary(expected)]);
      }
    },
  );
});

/** What libraries do not tell apart: simple strings and others, large integers and their nearest double. */
function likeLibrary(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return likeLibrary(value.toString('latin1'));
  if (value instanceof Map) return [...value].flat().map(likeLibrary);
  if (Array.isArray(value)) return value.map(likeLibrary);
  if (typeof value === 'object' && value !== null && !(value instanceof Error))
    return Object.entries(value).flat().map(likeLibrary);
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string') return value;
  if (/^-?\d{16,19}$/.test(value)) return Number(value);
  return value.replace(/^\+/, '');
}
