/**
 * What a worker and the master say to each other about the worker itself, as JSON over HTTP:
 *
 *     PUT /v1/workers/<index>/registration   Registration -> Welcomed, or 409 with the rule that it breaks
 *     PUT /v1/workers/<index>/heartbeat      Heartbeat    -> 204, or 404 when the worker must register (again)
 *
 * Both may be sent again at any time: a lost answer costs nothing. Heartbeats are for placement and for people;
 * safety never rests on them.
 */
import { isClusterId, isStoreId, WORKER_INDEX_MAX } from './ids.js';
import type { ClusterId, StoreId } from './ids.js';
import { Fields } from './json-fields.js';
import type { Address, Worker } from './worker.js';
import { HOST_LENGTH_MAX, LABEL_LENGTH_MAX, WEIGHT_MAX } from './worker.js';

/** Who is speaking: one process on one store. */
export interface Speaker {
  readonly store: StoreId;
  readonly boot: number;
  /** Random, chosen at the start of the process. */
  readonly nonce: string;
}

export interface Registration extends Speaker {
  /** The cluster that the store belongs to; null: it has never been in one. */
  readonly clusterId: ClusterId | null;
  readonly pid: number;
  readonly http: Address;
  readonly labels: Worker['labels'];
  readonly weight: number;
}

export interface Welcomed {
  readonly clusterId: ClusterId;
  readonly heartbeatMs: number;
}

export const SPEAKER_STATES = ['serving', 'draining'] as const;
export type SpeakerState = (typeof SPEAKER_STATES)[number];

export interface Heartbeat extends Speaker {
  readonly state: SpeakerState;
  readonly keys: number;
  readonly bytes: number;
}

const SPEAKER_FIELDS = ['store', 'boot', 'nonce'];
const NONCE = /^[0-9a-f]{16,64}$/;
const PID_MAX = 2 ** 31 - 1;
const PORT_MAX = 65_535;
const HEARTBEAT_MS_MAX = 3_600_000;

/** @throws StoreError bad-request naming the field that is wrong. */
export function parseRegistration(json: unknown): Registration {
  const fields = new Fields(json, 'registration', [
    ...SPEAKER_FIELDS,
    'clusterId',
    'pid',
    'http',
    'labels',
    'weight',
  ]);
  return {
    ...speakerOf(fields),
    clusterId: fields.take('clusterId', isClusterIdOrNull, 'a cluster id or null'),
    pid: fields.wholeNumber('pid', { min: 1, max: PID_MAX }),
    http: fields.nested('http', (value, path) => {
      const address = new Fields(value, path, ['host', 'port']);
      return {
        host: address.text('host', HOST_LENGTH_MAX),
        port: address.wholeNumber('port', { min: 1, max: PORT_MAX }),
      };
    }),
    labels: fields.nested('labels', (value, path) => {
      const labels = new Fields(value, path, ['host', 'zone']);
      return { host: labels.text('host', LABEL_LENGTH_MAX), zone: labels.text('zone', LABEL_LENGTH_MAX) };
    }),
    weight: fields.wholeNumber('weight', { min: 1, max: WEIGHT_MAX }),
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
  const fields = new Fields(json, 'welcome', ['clusterId', 'heartbeatMs']);
  return {
    clusterId: fields.take('clusterId', isClusterId, 'a cluster id'),
    heartbeatMs: fields.wholeNumber('heartbeatMs', { min: 1, max: HEARTBEAT_MS_MAX }),
  };
}

/** The index in a URL, or undefined when it is none. */
export function parseWorkerIndex(text: string): number | undefined {
  const index = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  return index >= 1 && index <= WORKER_INDEX_MAX ? index : undefined;
}

function speakerOf(fields: Fields): Speaker {
  return {
    store: fields.take('store', isStoreId, '32 hex digits'),
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
