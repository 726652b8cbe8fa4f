/** Opens the Redis ports that a worker is configured for, and says where others reach them. */
import type { Clock } from '@diststore/base';
import type { Address, ClusterMap, WorkerIndex } from '@diststore/cluster';
import { type Log, reachableHost } from '@diststore/process';

import type { RedisMode } from './implementation.js';
import type { RedisKeyspace } from './redis-keyspace.js';
import { RedisServer } from './redis-server.js';

/** Above the HTTP port, unless a worker is told otherwise: worker 1 at port 5001 has 7001 and 8001. */
export const REDIS_PORT_OFFSET = 2000;
export const REDIS_GATEWAY_PORT_OFFSET = 3000;

/** The options of a worker that are about its Redis ports. */
export interface RedisConfig {
  /** Undefined: the default; 0: none. */
  readonly redisPort: number | undefined;
  readonly redisGatewayPort: number | undefined;
  readonly redisAdvertisedHost: string | undefined;
  readonly redisAdvertisedPort: number | undefined;
  readonly redisGatewayAdvertisedPort: number | undefined;
  readonly redisMaxClients: number;
  readonly redisIdleTimeoutMs: number;
  readonly redisOutputBytes: number;
  readonly maxValueBytes: number;
  readonly host: string;
  readonly advertisedHost: string | undefined;
  readonly httpPort: number;
  readonly standalone: boolean;
}

export interface RedisPlan {
  readonly mode: RedisMode;
  readonly port: number;
  /** As clients and other workers reach it; an IPv6 address without brackets. */
  readonly announced: Address;
}

/** The ports that this configuration asks for. A worker that stands alone has no cluster port: its keys have no slots. */
export function redisPlans(config: RedisConfig): readonly RedisPlan[] {
  const announcedHost = config.redisAdvertisedHost ?? config.advertisedHost ?? reachableHost(config.host);
  const clusterPort = config.standalone ? 0 : (config.redisPort ?? config.httpPort + REDIS_PORT_OFFSET);
  const gatewayPort = config.redisGatewayPort ?? config.httpPort + REDIS_GATEWAY_PORT_OFFSET;
  const plans: RedisPlan[] = [];
  if (clusterPort !== 0) {
    const announced = { host: announcedHost, port: config.redisAdvertisedPort ?? clusterPort };
    plans.push({ mode: 'cluster', port: clusterPort, announced });
  }
  if (gatewayPort !== 0) {
    const announced = { host: announcedHost, port: config.redisGatewayAdvertisedPort ?? gatewayPort };
    plans.push({ mode: 'gateway', port: gatewayPort, announced });
  }
  return plans;
}

/** What a registration says of the Redis ports. */
export function redisAddresses(plans: readonly RedisPlan[]): {
  readonly redisCluster: Address | null;
  readonly redisGateway: Address | null;
} {
  const of = (mode: RedisMode): Address | null => plans.find((plan) => plan.mode === mode)?.announced ?? null;
  return { redisCluster: of('cluster'), redisGateway: of('gateway') };
}

export interface RedisParts {
  readonly config: RedisConfig;
  readonly plans: readonly RedisPlan[];
  readonly self: WorkerIndex;
  readonly keyspace: RedisKeyspace;
  /** Undefined until the master was heard of. */
  readonly map: () => ClusterMap | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly fatal: (error: unknown) => void;
}

/**
 * Opens the ports; the caller closes them. All of them or none.
 * @throws StoreError address-in-use, bad-parameter
 */
export async function startRedis({ config, plans, ...parts }: RedisParts): Promise<RedisServer[]> {
  const { keyspace, clock, log, fatal } = parts;
  const cluster = {
    self: parts.self,
    get map() {
      return parts.map();
    },
  };
  const opened: RedisServer[] = [];
  try {
    for (const { mode, port, announced } of plans) {
      const redis = await RedisServer.listen({
        mode,
        host: config.host,
        port,
        announced,
        keyspace,
        cluster,
        maxValueBytes: config.maxValueBytes,
        maxClients: config.redisMaxClients,
        idleTimeoutMs: config.redisIdleTimeoutMs,
        outputBytesMax: config.redisOutputBytes,
        clock,
        log,
        fatal,
      });
      opened.push(redis);
    }
  } catch (error) {
    await Promise.all(opened.map((redis) => redis.close(0)));
    throw error;
  }
  return opened;
}
