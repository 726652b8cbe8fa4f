/** What the loss of power takes from a store whose writes a witness has watched (sync-witness.mjs). */
import { readdir, readFile, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { SeededRandom } from '@diststore/testing';

const WITNESS = new URL('sync-witness.mjs', import.meta.url);

export interface WatchedStore {
  /** LevelDB's directory. */
  readonly database: string;
  /** Where the witness writes. */
  readonly witness: string;
}

/** The environment of a process whose store is watched. */
export function watching({ database, witness }: WatchedStore): NodeJS.ProcessEnv {
  const NODE_OPTIONS = `--import ${fileURLToPath(WITNESS)}`;
  return { NODE_OPTIONS, SYNC_WITNESS: witness, SYNC_DATABASE: database };
}

/**
 * Cuts every log somewhere behind what was synced. REQUIRES: the process is gone.
 * @returns how many bytes there were that could be lost, and how many are.
 * @throws Error when a batch was written that was not synced.
 */
export async function losePower(
  { database, witness }: WatchedStore,
  random: SeededRandom,
): Promise<{ unsynced: number; lost: number }> {
  // The last line may be torn, as the process was killed; then nobody heard of its batch either.
  const lines = (await readFile(witness, 'utf8')).split('\n').slice(0, -1);
  if (lines.includes('"unsynced"')) throw new Error(`A batch was written to ${database} without a sync.`);
  const synced = JSON.parse(lines.at(-1) ?? '{}') as Record<string, number>;
  const total = { unsynced: 0, lost: 0 };
  for (const name of (await readdir(database)).filter((file) => file.endsWith('.log'))) {
    const file = path.join(database, name);
    const { size } = await stat(file);
    const unsynced = size - Math.min(size, synced[name] ?? 0);
    if (unsynced === 0) continue;
    const lost = 1 + random.below(unsynced);
    await truncate(file, size - lost);
    total.unsynced += unsynced;
    total.lost += lost;
  }
  return total;
}
