/** Against a master that says who counts on what: a store is set aside only when nobody does. */
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import { clusterId, encodeDelta, partitionId, storeId, workerIndex } from '@diststore/cluster';
import type { MapDelta } from '@diststore/cluster';
import { TemporaryDirectory } from '@diststore/testing';

import { asidePath, setAside, writeNote } from './damaged-store.js';
import { standaloneMap } from './standalone.js';

const STORE = storeId('5'.repeat(32));
const OTHER = storeId('6'.repeat(32));
const INDEX = workerIndex(1);
const CLUSTER = clusterId('c'.repeat(32));
const SETTINGS = {
  placement: 'hashed',
  clusterId: CLUSTER,
  revision: 1,
  partitionCount: 1,
  replicationFactor: 1,
  minInSyncMax: null,
} as const;
const damage = new StoreError('store-corrupt', '000005.ldb is damaged.');

describe('a damaged store', () => {
  let directory: TemporaryDirectory;
  let server: Server;
  let port: number;
  let state: string;
  let delta: MapDelta;
  const logged: string[] = [];

  beforeEach(async () => {
    directory = await TemporaryDirectory.create();
    await mkdir(path.join(directory.path, 'db'));
    await writeFile(path.join(directory.path, 'db', 'CURRENT'), 'MANIFEST-000001\n');
    state = 'serving';
    delta = mapOf(OTHER);
    server = createServer((request, response) => {
      const answer = request.url === '/v1/cluster' ? { manager: { state } } : encodeDelta(delta);
      response.end(JSON.stringify(answer));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    logged.length = 0;
    await writeNote(directory.path, { storeId: STORE, clusterId: delta.clusterId });
  });

  afterEach(async () => {
    server.close();
    await directory.remove();
  });

  /** One partition, whose only copy is in this store of worker 1. */
  function mapOf(store: typeof STORE): MapDelta {
    const delta = standaloneMap({ index: INDEX, store, http: { host: '127.0.0.1', port: 1 } });
    const target = { rev: 1, replicas: [INDEX], preferredPrimary: INDEX };
    return {
      ...{ ...delta, clusterId: CLUSTER, settings: SETTINGS, formed: true },
      partitions: delta.partitions.map((record) => ({ ...record, partition: partitionId(0), target })),
    };
  }

  function attempt(): Promise<boolean> {
    return setAside(damage, {
      directory: directory.path,
      index: INDEX,
      masterUrl: `http://127.0.0.1:${port}`,
      log: { log: () => undefined, warn: () => undefined, error: (line) => void logged.push(line) },
      waitMs: 0,
    });
  }

  it('is set aside when nobody counts on it, in place of the one before', async () => {
    await mkdir(asidePath(directory.path));
    await writeFile(path.join(asidePath(directory.path), 'older'), '');
    expect(await attempt()).toBe(true);
    expect(await readdir(directory.path)).not.toContain('db');
    expect(await readdir(asidePath(directory.path))).toEqual(['CURRENT']);
    expect(logged).toEqual([expect.stringMatching(/000005.ldb is damaged.*begins with an empty one/)]);
  });

  it.each<[string, RegExp, () => Promise<void> | void]>([
    ['a configuration names it', /nothing newer/, () => void (delta = mapOf(STORE))],
    ['the master does not trust its data', /the master is frozen/, () => void (state = 'frozen')],
    ['the cluster is not formed', /does not know worker/, () => void (delta = { ...delta, formed: false })],
    [
      'a partition has no copy that is up',
      /no copy that is up/,
      () =>
        void (delta = {
          ...delta,
          workers: delta.workers.map((worker) => ({ ...worker, presence: 'down' })),
        }),
    ],
    [
      'the master is of another cluster',
      /to another/,
      () => writeNote(directory.path, { storeId: STORE, clusterId: clusterId('e'.repeat(32)) }),
    ],
    ['the master is away', /does not say who needs it/, () => void server.close()],
  ])('is kept when %s', async (_what, reason, change) => {
    await change();
    expect(await attempt()).toBe(false);
    expect(logged).toEqual([expect.stringMatching(reason)]);
    expect(await readFile(path.join(directory.path, 'db', 'CURRENT'), 'utf8')).toBe('MANIFEST-000001\n');
  });

  it('is kept when nothing says which store it is', async () => {
    await writeFile(path.join(directory.path, 'store.json'), '{');
    expect(await attempt()).toBe(false);
    expect(await readdir(directory.path)).toContain('db');
  });
});
