/**
 * The cluster map and news about it as JSON, from masters to workers and clients. Versioned and read as strictly as
 * the records (record-codec.ts). A whole map is the news since version 0.
 *
 *   news       {v, clusterId, since, version, formed, settings | null, workers, partitions}
 *   settings   {v, placement, clusterId, revision} and for `hashed` partitionCount, replicationFactor, minInSyncMax
 *   worker     {v, index, revision, store, registrationNumber, boot, state, presence, sinceMs, http, redisCluster,
 *               redisGateway, labels: {host, zone}, weight}, an address being {host, port} or null
 *   partition  {partition, revision, configuration | null, target | null}
 *
 * Settings and workers are persisted in this form too; never rename a field.
 */
import { StoreError } from '@diststore/base';

import { ClusterMap } from './cluster-map.js';
import {
  isClusterId,
  isPartitionId,
  isStoreId,
  isWorkerIndex,
  PARTITION_COUNT_MAX,
  WORKER_INDEX_MAX,
} from './ids.js';
import { Fields, FORMAT_VERSION } from './json-fields.js';
import type { Json } from './json-fields.js';
import type { MapDelta, PartitionRecord } from './map-delta.js';
import { decodeConfiguration, decodeTarget, encodeConfiguration, encodeTarget } from './record-codec.js';
import { problemOfSettings } from './settings.js';
import type { Settings } from './settings.js';
import { REPLICATION_FACTOR_MAX } from './target.js';
import {
  HOST_LENGTH_MAX,
  LABEL_LENGTH_MAX,
  PRESENCES,
  problemOfWorker,
  WEIGHT_MAX,
  WORKER_STATES,
} from './worker.js';
import type { Address, Worker } from './worker.js';

const COUNTER = { min: 0, max: Number.MAX_SAFE_INTEGER };

export function encodeMap(map: ClusterMap): Json {
  return encodeDelta(map.deltaSince(0));
}

/** @throws StoreError bad-request, also for what is well-formed but no legal map. */
export function decodeMap(value: unknown): ClusterMap {
  const applied = ClusterMap.from(decodeDelta(value, 'map'));
  if (applied.answer === 'applied') return applied.map;
  const problem = applied.answer === 'gap' ? 'it is not whole' : applied.reason;
  throw new StoreError('bad-request', `map is refused: ${problem}`, { facts: { field: 'map' } });
}

export function encodeDelta(delta: MapDelta): Json {
  const { clusterId, since, version, formed, settings, workers, partitions } = delta;
  return {
    v: FORMAT_VERSION,
    clusterId,
    since,
    version,
    formed,
    settings: settings === null ? null : encodeSettings(settings),
    workers: workers.map(encodeWorker),
    partitions: partitions.map(encodePartition),
  };
}

/** @throws StoreError bad-request */
export function decodeDelta(value: unknown, path = 'news'): MapDelta {
  const names = ['clusterId', 'since', 'version', 'formed', 'settings', 'workers', 'partitions'];
  const fields = Fields.versioned(value, path, names);
  return {
    clusterId: fields.take('clusterId', isClusterId, 'a cluster id'),
    since: fields.wholeNumber('since', COUNTER),
    version: fields.wholeNumber('version', COUNTER),
    formed: fields.flag('formed'),
    settings: fields.nullable('settings', decodeSettings),
    workers: fields.list('workers', WORKER_INDEX_MAX, decodeWorker),
    partitions: fields.list('partitions', PARTITION_COUNT_MAX, decodePartition),
  };
}

export function encodeSettings(settings: Settings): Json {
  return { v: FORMAT_VERSION, ...settings };
}

/** @throws StoreError bad-request */
export function decodeSettings(value: unknown, path = 'settings'): Settings {
  const common = ['placement', 'clusterId', 'revision'];
  const names = [...common, 'partitionCount', 'replicationFactor', 'minInSyncMax'];
  const fields = Fields.versioned(value, path, names);
  const clusterId = fields.take('clusterId', isClusterId, 'a cluster id');
  const revision = fields.wholeNumber('revision', COUNTER);
  const placement = fields.oneOf('placement', ['hashed', 'local']);
  if (placement === 'local') {
    Fields.versioned(value, path, common);
    return { placement, clusterId, revision };
  }
  const replicas = { min: 1, max: REPLICATION_FACTOR_MAX };
  const settings = {
    placement,
    clusterId,
    revision,
    partitionCount: fields.wholeNumber('partitionCount', { min: 1, max: PARTITION_COUNT_MAX }),
    replicationFactor: fields.wholeNumber('replicationFactor', replicas),
    minInSyncMax: fields.nullable('minInSyncMax', () => fields.wholeNumber('minInSyncMax', replicas)),
  };
  fields.require(problemOfSettings(settings));
  return settings;
}

export function encodeWorker(worker: Worker): Json {
  return { v: FORMAT_VERSION, ...worker };
}

/** @throws StoreError bad-request */
export function decodeWorker(value: unknown, path = 'worker'): Worker {
  const fields = Fields.versioned(value, path, [
    ...['index', 'revision', 'store', 'registrationNumber', 'boot', 'state', 'presence', 'sinceMs'],
    ...['http', 'redisCluster', 'redisGateway', 'labels', 'weight'],
  ]);
  const worker: Worker = {
    index: fields.take('index', isWorkerIndex, 'a worker index'),
    revision: fields.wholeNumber('revision', COUNTER),
    store: fields.take('store', isStoreId, 'a store id'),
    registrationNumber: fields.wholeNumber('registrationNumber', COUNTER),
    boot: fields.wholeNumber('boot', COUNTER),
    state: fields.oneOf('state', WORKER_STATES),
    presence: fields.oneOf('presence', PRESENCES),
    sinceMs: fields.wholeNumber('sinceMs', COUNTER),
    http: fields.nested('http', decodeAddress),
    redisCluster: fields.nullable('redisCluster', decodeAddress),
    redisGateway: fields.nullable('redisGateway', decodeAddress),
    labels: fields.nested('labels', decodeLabels),
    weight: fields.wholeNumber('weight', { min: 1, max: WEIGHT_MAX }),
  };
  fields.require(problemOfWorker(worker));
  return worker;
}

/** @throws StoreError bad-request */
export function decodeAddress(value: unknown, path: string): Address {
  const fields = new Fields(value, path, ['host', 'port']);
  return {
    host: fields.text('host', HOST_LENGTH_MAX),
    port: fields.wholeNumber('port', { min: 1, max: 65_535 }),
  };
}

function decodeLabels(value: unknown, path: string): Worker['labels'] {
  const fields = new Fields(value, path, ['host', 'zone']);
  return { host: fields.text('host', LABEL_LENGTH_MAX), zone: fields.text('zone', LABEL_LENGTH_MAX) };
}

function encodePartition({ partition, revision, configuration, target }: PartitionRecord): Json {
  return {
    partition,
    revision,
    configuration: configuration === null ? null : encodeConfiguration(configuration),
    target: target === null ? null : encodeTarget(target),
  };
}

function decodePartition(value: unknown, path: string): PartitionRecord {
  const fields = new Fields(value, path, ['partition', 'revision', 'configuration', 'target']);
  return {
    partition: fields.take('partition', isPartitionId, 'a partition number'),
    revision: fields.wholeNumber('revision', COUNTER),
    configuration: fields.nullable('configuration', decodeConfiguration),
    target: fields.nullable('target', decodeTarget),
  };
}
