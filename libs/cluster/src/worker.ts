/**
 * What the cluster map says about one worker: where to reach it, where it stands, and what it is meant to do.
 *
 * Two things are kept apart, because a draining worker may die and come back, still draining:
 * - `state` is a decision. `active`: may hold replicas; `draining`: its replicas are to move away; `removed`: an
 *   operator unregistered it. A removed worker stays in the map, so that old news cannot bring it back.
 * - `presence` is an observation of the master, for placement and for people. Safety never rests on it.
 *
 *             drain                  remove
 *   active ----------> draining ----------------> removed
 *     ^  <---------- (cancelled)                   ^   |
 *     |---------------- remove --------------------|   |
 *     |<-------------- registers again ----------------|
 */
import { isWholeNumber } from './ids.js';
import type { StoreId, WorkerIndex } from './ids.js';

/** A host name or IP address, an IPv6 one without brackets, and a port, as others reach it. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Persisted and on the wire, never rename. */
export const WORKER_STATES = ['active', 'draining', 'removed'] as const;
export type WorkerState = (typeof WORKER_STATES)[number];

export const PRESENCES = ['up', 'down'] as const;
export type Presence = (typeof PRESENCES)[number];

export interface Worker {
  readonly index: WorkerIndex;
  /** The map version at which this record last changed. */
  readonly revision: number;
  /** The store it is registered with, and that registration's number and boot: see registration.ts. */
  readonly store: StoreId;
  readonly registrationNumber: number;
  readonly boot: number;
  readonly state: WorkerState;
  readonly presence: Presence;
  /** When `state` or `presence` last changed: wall clock of the master, for people to read. */
  readonly sinceMs: number;
  /** HTTP and links between workers. */
  readonly http: Address;
  /** The Redis port that redirects, as in a Redis Cluster; null: none. */
  readonly redisCluster: Address | null;
  /** The Redis port that forwards; null: none. */
  readonly redisGateway: Address | null;
  /** Replicas of a partition avoid sharing a host, and then a zone. */
  readonly labels: { readonly host: string; readonly zone: string };
  /** The share of replicas and primaries it takes, relative to other workers: 1 to 1000. */
  readonly weight: number;
}

export const WEIGHT_MAX = 1000;
/** The longest DNS name. */
export const HOST_LENGTH_MAX = 253;
export const LABEL_LENGTH_MAX = 64;

export function httpUrlOf(address: Address): string {
  return `http://${authorityOf(address)}`;
}

export function redisUrlOf(address: Address): string {
  return `redis://${authorityOf(address)}`;
}

function authorityOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What is wrong with the record taken by itself, or undefined. */
export function problemOfWorker(worker: Worker): string | undefined {
  const { index, http, redisCluster, redisGateway, labels, weight } = worker;
  for (const address of [http, redisCluster, redisGateway]) {
    if (address === null) continue;
    if (!isWholeNumber(address.port, { min: 1, max: 65_535 }))
      return `worker ${index} has no port from 1 to 65535`;
    if (address.host.length === 0 || address.host.length > HOST_LENGTH_MAX)
      return `worker ${index} has no host name of 1 to ${HOST_LENGTH_MAX} characters`;
  }
  for (const label of [labels.host, labels.zone]) {
    if (label.length > LABEL_LENGTH_MAX)
      return `worker ${index} has a label above ${LABEL_LENGTH_MAX} characters`;
  }
  if (!isWholeNumber(weight, { min: 1, max: WEIGHT_MAX }))
    return `worker ${index} has no weight from 1 to ${WEIGHT_MAX}`;
  return undefined;
}

/**
 * Why one record of a worker may not follow another in a single step, or undefined if it may. For the master, before
 * it writes; whoever follows the map from afar may miss steps in between.
 */
export function problemOfWorkerStep(before: Worker, after: Worker): string | undefined {
  const stale = problemOfWorkerAge(before, after);
  if (stale !== undefined) return stale;
  const registers = after.registrationNumber > before.registrationNumber || after.boot > before.boot;
  if (before.state === 'removed' && after.state === 'draining')
    return 'a removed worker has nothing to drain';
  if (before.state === 'removed' && after.state === 'active' && !registers)
    return 'a removed worker becomes active only by registering again';
  return undefined;
}

/** Why a record cannot be a later one of the same worker, however many steps lie between; or undefined if it can. */
export function problemOfWorkerAge(before: Worker, after: Worker): string | undefined {
  if (after.revision <= before.revision) return `worker ${before.index} would change without a new revision`;
  if (after.registrationNumber < before.registrationNumber)
    return `worker ${before.index} would return to an older store`;
  const sameRegistration = after.registrationNumber === before.registrationNumber;
  if (sameRegistration && after.store !== before.store)
    return `worker ${before.index} has two stores in one registration`;
  if (sameRegistration && after.boot < before.boot)
    return `worker ${before.index} would return to an older boot`;
  return undefined;
}
