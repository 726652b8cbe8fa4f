/** Real workers with Redis ports for end-to-end tests. */
import { type App, freePorts, type Sandbox } from '@diststore/testing';

export interface RedisWorker {
  readonly app: App;
  readonly clusterPort: number;
  readonly gatewayPort: number;
}

export interface RedisCluster {
  readonly master: App;
  /** By position: worker i + 1. */
  readonly workers: readonly RedisWorker[];
}

/** A master and so many workers; resolves when every partition has a primary, and every worker knows it. */
export async function startRedisCluster(
  box: Sandbox,
  count: number,
  { partitions = 16 }: { readonly partitions?: number } = {},
): Promise<RedisCluster> {
  const flags = [`--bootstrap-expect=${count}`, `--partitions=${partitions}`];
  const master = await box.startMaster({ flags });
  const workers: RedisWorker[] = [];
  for (let index = 1; index <= count; index++) {
    const port = await freePorts(2);
    const redisFlags = [`--redis-port=${port}`, `--redis-gateway-port=${port + 1}`];
    const app = await box.startWorker({ index, masterUrl: master.url, flags: redisFlags });
    workers.push({ app, clusterPort: port, gatewayPort: port + 1 });
  }
  for (const { app } of workers) {
    await box.eventually('the map is whole', async () => {
      const { health, formed } = (await app.http.get('/v1/cluster')).json() as {
        health: { unserved: number };
        formed: boolean;
      };
      return formed && health.unserved === 0;
    });
  }
  return { master, workers };
}
