/**
 * What a worker's store knows of the cluster, said at every registration, so that a master finds out when its own data
 * is older than the cluster's: restored from an old backup, or lost.
 *
 * The short form lists the version of each installed configuration. The long form, with the configurations themselves,
 * is asked for only by a master that doubts its data and rebuilds it (9.5 of the replication protocol).
 *
 *   report  {gen, map: {gen, version} | null, master: {boot, nonce} | null,
 *            installed: [partition, gen, epoch, partition, gen, epoch, …], configurations: [{partition, configuration}] | null}
 */
import type { Configuration } from './configuration.js';
import type { Generation, PartitionId } from './ids.js';
import { isEpoch, isGeneration, isPartitionId, PARTITION_COUNT_MAX } from './ids.js';
import type { Json } from './json-fields.js';
import { expectValue, Fields } from './json-fields.js';
import { decodeConfiguration, encodeConfiguration, NONCE_LENGTH_MAX } from './record-codec.js';
import type { Ver } from './ver.js';

/** One start of a master: the boot counter of its store, and what the process drew at random. */
export interface MasterStart {
  readonly boot: number;
  readonly nonce: string;
}

export interface PartitionVer {
  readonly partition: PartitionId;
  readonly ver: Ver;
}

export interface PartitionConfiguration {
  readonly partition: PartitionId;
  readonly configuration: Configuration;
}

export interface Report {
  /** The fence: configurations of older generations are refused by this store, durably. */
  readonly gen: Generation;
  /** The newest cluster map that was taken up, and the generation it was made in; null: none. */
  readonly map: { readonly gen: Generation; readonly version: number } | null;
  /** The start of a master that this store follows, of generation `gen`; null: none yet. */
  readonly master: MasterStart | null;
  /** Each installed partition, once. */
  readonly installed: readonly PartitionVer[];
  /** The configurations of `installed`, when the master asked for them. */
  readonly configurations: readonly PartitionConfiguration[] | null;
}

export function encodeReport({ gen, map, master, installed, configurations }: Report): Json {
  return {
    gen,
    map,
    master,
    installed: installed.flatMap(({ partition, ver }) => [partition, ver.gen, ver.epoch]),
    configurations:
      configurations?.map(({ partition, configuration }) => ({
        partition,
        configuration: encodeConfiguration(configuration),
      })) ?? null,
  };
}

/** @throws StoreError bad-request */
export function decodeReport(value: unknown, path = 'report'): Report {
  const fields = new Fields(value, path, ['gen', 'map', 'master', 'installed', 'configurations']);
  return {
    gen: fields.take('gen', isGeneration, 'a whole number from 1'),
    map: fields.nullable('map', (map, at) => {
      const newest = new Fields(map, at, ['gen', 'version']);
      return {
        gen: newest.take('gen', isGeneration, 'a whole number from 1'),
        version: newest.wholeNumber('version', { min: 0, max: Number.MAX_SAFE_INTEGER }),
      };
    }),
    master: fields.nullable('master', decodeMasterStart),
    installed: installedIn(fields),
    configurations: fields.nullable('configurations', () =>
      fields.list('configurations', PARTITION_COUNT_MAX, (item, at) => {
        const pair = new Fields(item, at, ['partition', 'configuration']);
        return {
          partition: pair.take('partition', isPartitionId, 'a partition number'),
          configuration: pair.nested('configuration', decodeConfiguration),
        };
      }),
    ),
  };
}

/** @throws StoreError bad-request */
export function decodeMasterStart(value: unknown, path: string): MasterStart {
  const fields = new Fields(value, path, ['boot', 'nonce']);
  return {
    boot: fields.wholeNumber('boot', { min: 1, max: Number.MAX_SAFE_INTEGER }),
    nonce: fields.text('nonce', NONCE_LENGTH_MAX),
  };
}

function installedIn(fields: Fields): PartitionVer[] {
  const flat = fields.list('installed', 3 * PARTITION_COUNT_MAX, (number) => number);
  if (flat.length % 3 !== 0) throw fields.refusal('installed does not come in threes');
  const installed: PartitionVer[] = [];
  const seen = new Set<unknown>();
  for (let i = 0; i < flat.length; i += 3) {
    const at = `installed[${i}]`;
    const partition = expectValue(flat[i], at, isPartitionId, 'a partition number');
    if (seen.has(partition)) throw fields.refusal(`partition ${partition} is installed twice`);
    seen.add(partition);
    installed.push({
      partition,
      ver: {
        gen: expectValue(flat[i + 1], at, isGeneration, 'followed by a generation'),
        epoch: expectValue(flat[i + 2], at, isEpoch, 'followed by a generation and an epoch'),
      },
    });
  }
  return installed;
}
