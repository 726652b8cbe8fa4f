/**
 * What a worker and the master say to each other about the worker itself, as JSON over HTTP:
 *
 *     PUT /v1/workers/<index>/registration   Registration -> Welcomed, or 409 with the rule that it breaks
 *     PUT /v1/workers/<index>/heartbeat      Heartbeat    -> HeartbeatAnswer, or 404 when the worker must register (again)
 *     POST /v1/proposals                     ProposalBatch -> {decisions}, or 503 while none are taken (proposal-batch.ts)
 *
 * All may be sent again at any time: a lost answer costs nothing. Heartbeats are for placement and for people; safety
 * never rests on them. It rests on `generation`: a worker that hears a higher one than it knows makes it durable, from
 * then on refuses configurations of older ones, and registers again with what it has.
 */
import { isClusterId, isGeneration, isStoreId, WORKER_INDEX_MAX } from './ids.js';
import type { ClusterId, Generation, StoreId } from './ids.js';
import { Fields } from './json-fields.js';
import { decodeAddress } from './map-codec.js';
import { decodeMasterStart, decodeReport } from './report.js';
import type { MasterStart, Report } from './report.js';
import type { StoreStart } from './registration.js';
import type { Address, Worker } from './worker.js';
import { LABEL_LENGTH_MAX, WEIGHT_MAX } from './worker.js';

/** Who is speaking: one process on one store. */
export interface Speaker extends StoreStart {
  readonly store: StoreId;
}

export interface Registration extends Speaker {
  /** See RegistrationRequest. */
  readonly earlier: readonly StoreStart[];
  /** The cluster that the store belongs to; null: it has never been in one. */
  readonly clusterId: ClusterId | null;
  readonly pid: number;
  readonly http: Address;
  /** The Redis ports; null or left out: none. */
  readonly redisCluster?: Address | null;
  readonly redisGateway?: Address | null;
  readonly labels: Worker['labels'];
  readonly weight: number;
  /** What the store knows of the cluster; null or left out: it has no replicas and has never been in one. */
  readonly report?: Report | null;
}

/** On the wire and in the store, never rename. */
export const TIMING_NAMES = ['default', 'fast', 'slow'] as const;

/** The profile of the times of the replication protocol that a cluster runs with. */
export type TimingName = (typeof TIMING_NAMES)[number];

export interface Welcomed {
  readonly clusterId: ClusterId;
  readonly heartbeatMs: number;
  /** Configurations of older generations are void: see the head of this file. */
  readonly generation: Generation;
  /** Who speaks. Within one generation a worker refuses an older start of a master, and another process of the same. */
  readonly master: MasterStart;
  readonly timing: TimingName;
  /** The master rebuilds its data: register again, with configurations in the report. */
  readonly configurationsWanted: boolean;
}

export interface HeartbeatAnswer {
  readonly generation: Generation;
  /** As in `Welcomed`. */
  readonly configurationsWanted: boolean;
  /** The whole cluster stops: a worker that is told to stop as well does not hand its partitions over. */
  readonly clusterStopping: boolean;
}

export const SPEAKER_STATES = ['serving', 'draining'] as const;
export type SpeakerState = (typeof SPEAKER_STATES)[number];

export interface Heartbeat extends Speaker {
  readonly state: SpeakerState;
  readonly keys: number;
  readonly bytes: number;
}

export const SPEAKER_FIELDS = ['store', 'boot', 'nonce'];
const NONCE = /^[0-9a-f]{16,64}$/;
const PID_MAX = 2 ** 31 - 1;
const HEARTBEAT_MS_MAX = 3_600_000;
/** More than a store remembers (EARLIER_STARTS_MAX of libs/storage). */
const EARLIER_STARTS_MAX = 1024;

/** @throws StoreError bad-request naming the field that is wrong. */
export function parseRegistration(json: unknown): Required<Registration> {
  const fields = new Fields(json, 'registration', [
    ...SPEAKER_FIELDS,
    ...['earlier', 'clusterId', 'pid', 'http', 'redisCluster', 'redisGateway', 'labels', 'weight', 'report'],
  ]);
  return {
    ...speakerOf(fields),
    earlier: fields.list('earlier', EARLIER_STARTS_MAX, (value, path) =>
      startOf(new Fields(value, path, ['boot', 'nonce'])),
    ),
    clusterId: fields.take('clusterId', isClusterIdOrNull, 'a cluster id or null'),
    pid: fields.wholeNumber('pid', { min: 1, max: PID_MAX }),
    http: fields.nested('http', decodeAddress),
    redisCluster: fields.optional('redisCluster', decodeAddress),
    redisGateway: fields.optional('redisGateway', decodeAddress),
    labels: fields.nested('labels', (value, path) => {
      const labels = new Fields(value, path, ['host', 'zone']);
      return { host: labels.text('host', LABEL_LENGTH_MAX), zone: labels.text('zone', LABEL_LENGTH_MAX) };
    }),
    weight: fields.wholeNumber('weight', { min: 1, max: WEIGHT_MAX }),
    report: fields.optional('report', decodeReport),
  };
}

/** @throws StoreError bad-request naming the field that is wrong. */
export function parseHeartbeat(json: unknown): Heartbeat {
  const fields = new Fields(json, 'heartbeat', [...SPEAKER_FIELDS, 'state', 'keys', 'bytes']);
  return {
    ...speakerOf(fields),
    state: fields.oneOf('state', SPEAKER_STATES),
    keys: fields.wholeNumber('keys', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    bytes: fields.wholeNumber('bytes', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}

/** @throws StoreError bad-request: the answer does not come from a master. */
export function parseWelcomed(json: unknown): Welcomed {
  const fields = new Fields(json, 'welcome', [
    ...['clusterId', 'heartbeatMs', 'generation', 'master', 'timing', 'configurationsWanted'],
  ]);
  return {
    clusterId: fields.take('clusterId', isClusterId, 'a cluster id'),
    heartbeatMs: fields.wholeNumber('heartbeatMs', { min: 1, max: HEARTBEAT_MS_MAX }),
    generation: fields.take('generation', isGeneration, 'a whole number from 1'),
    master: fields.nested('master', decodeMasterStart),
    timing: fields.oneOf('timing', TIMING_NAMES),
    configurationsWanted: fields.flag('configurationsWanted'),
  };
}

/** @throws StoreError bad-request: the answer does not come from a master. */
export function parseHeartbeatAnswer(json: unknown): HeartbeatAnswer {
  const fields = new Fields(json, 'answer', ['generation', 'configurationsWanted', 'clusterStopping']);
  return {
    generation: fields.take('generation', isGeneration, 'a whole number from 1'),
    configurationsWanted: fields.flag('configurationsWanted'),
    clusterStopping: fields.flag('clusterStopping'),
  };
}

/** The index in a URL, or undefined when it is none. */
export function parseWorkerIndex(text: string): number | undefined {
  const index = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  return index >= 1 && index <= WORKER_INDEX_MAX ? index : undefined;
}

/** REQUIRES: `fields` may have `store`, `boot` and `nonce`. */
export function speakerOf(fields: Fields): Speaker {
  return { store: fields.take('store', isStoreId, '32 hex digits'), ...startOf(fields) };
}

function startOf(fields: Fields): StoreStart {
  return {
    boot: fields.wholeNumber('boot', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    nonce: fields.take('nonce', isNonce, '16 to 64 hex digits'),
  };
}

function isNonce(value: unknown): value is string {
  return typeof value === 'string' && NONCE.test(value);
}

function isClusterIdOrNull(value: unknown): value is ClusterId | null {
  return value === null || isClusterId(value);
}
