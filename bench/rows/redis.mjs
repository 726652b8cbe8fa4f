/**
 * Redis rows: a worker's cluster port beside Redis itself, both fsyncing every write before they acknowledge it, under
 * Redis's own load generator. A pipeline of 16 shows what is left when round trips cost little.
 *
 * What would make it unfair: keys that exist on one side only, so each has all of them first; a Redis that fsyncs once
 * a second; or one with more of the machine, so each has one core, and idle ones cost nothing.
 */
import { fillRedis, startRedisServer, startRedisWorker } from '../contestants/redis.mjs';
import { redisBenchmark } from '../load/redis-benchmark.mjs';

/** @param kind `set` or `get`. @param pipeline commands in flight on each of the 50 connections. */
export function redisRow(kind, pipeline) {
  const command = kind.toUpperCase();
  const load = (contestant, { settings, cores }, requests) =>
    redisBenchmark(contestant, { kind, pipeline, keys: settings.keys, requests, core: cores?.load });
  return {
    name: `redis-${kind}-${pipeline}`,
    suite: 'redis',
    title: `Redis ${command}${kind === 'set' ? ', fsynced' : ''}, pipeline of ${pipeline}`,
    unit: 'commands/s',
    tools: ['redis-server', 'redis-benchmark'],
    contestants: async (stage) => {
      const servers = [await startRedisWorker(stage), await startRedisServer(stage)];
      for (const server of servers) {
        await fillRedis(server, stage.settings.keys);
        await load(server, stage, stage.settings.warmUpRequests);
      }
      return servers;
    },
    measure: (contestant, stage) =>
      load(contestant, stage, stage.settings.redisRequests * Math.sqrt(pipeline)),
  };
}
