import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ClusterMap, MapDelta } from '@diststore/cluster';
import { generation, storeId, workerIndex } from '@diststore/cluster';
import { MemoryStorage } from '@diststore/storage';

import { MapFollower } from './map-follower.js';
import { standaloneMap } from './standalone.js';

const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };

/** A whole map of one worker, of some generation and version. */
function mapOf(gen: number, version: number): MapDelta {
  const store = storeId('a'.repeat(32));
  const whole = standaloneMap({ index: workerIndex(1), store, http: { host: 'a', port: 1 } });
  return {
    ...whole,
    version,
    partitions: whole.partitions.map((record) => {
      const { configuration } = record;
      return configuration === null
        ? record
        : { ...record, configuration: { ...configuration, gen: generation(gen) } };
    }),
  };
}

describe('MapFollower', () => {
  let storage: MemoryStorage;
  let follower: MapFollower;
  const maps: ClusterMap[] = [];

  const open = async (): Promise<MapFollower> => {
    const opened = new MapFollower({
      masterUrl: 'http://master',
      storage,
      log: quiet,
      onMap: (map) => {
        maps.push(map);
      },
    });
    await opened.restore();
    return opened;
  };

  beforeEach(async () => {
    storage = new MemoryStorage();
    maps.length = 0;
    follower = await open();
  });

  it('keeps the newest map on disk, and tells about each newer one once', async () => {
    await follower.adopt(mapOf(1, 5));
    await follower.adopt(mapOf(1, 5));
    await follower.adopt({ ...mapOf(1, 4), since: 3 });
    expect(maps.map(({ version }) => version)).toEqual([5]);
    expect((await open()).current?.version).toBe(5);
  });

  it('replaces the map by a rebuilt one of a later generation, although its version is lower', async () => {
    await follower.adopt(mapOf(1, 50));
    await follower.adopt(mapOf(2, 9));
    expect(follower.current).toMatchObject({ version: 9, generation: 2 });
    expect(maps.map(({ version }) => version)).toEqual([50, 9]);
    const stored = await open();
    expect(stored.current).toMatchObject({ version: 9, generation: 2 });
    // News of the lost history is not news.
    await follower.adopt(mapOf(1, 60));
    expect(follower.current?.generation).toBe(2);
  });
});
