/**
 * Checks LevelDB's write-ahead logs before LevelDB opens them.
 *
 * Why: LevelDB (without `paranoid_checks`, which the binding does not offer) drops a damaged part of a log silently
 * and goes on with what follows. An acknowledged write in the middle would vanish and an older value be served.
 *
 * Within one log, leveldb-log.ts tells damage from what a crash leaves. Where a log follows another, its first
 * sequence number tells whether the incomplete end of the one before was ever written on from: LevelDB gives the
 * numbers of what it drops at a start to the next writes, so a gap means that the lost part had been durable.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';

import { StoreError } from '@diststore/base';

import { readLog } from './leveldb-log.js';
import type { Manifest } from './manifest.js';
import { readIfPresent } from './read-if-present.js';

/**
 * Checks every log that LevelDB will replay. Reads them whole: they are a few MiB, the size of a write buffer.
 * @throws StoreError store-corrupt naming file and offset.
 */
export async function checkLogs(database: string, manifest: Manifest): Promise<void> {
  let torn: { readonly file: string; readonly offset: number } | undefined;
  let nextSequence: number | undefined;
  for (const name of await liveLogs(database, manifest)) {
    const file = path.join(database, name);
    const log = await readIfPresent(file);
    if (log === undefined) continue;
    const report = readLog(log);
    if (report.damagedAt !== undefined) throw corrupt(file, report.damagedAt);
    if (report.firstSequence !== undefined) {
      const goesOn = nextSequence === undefined || report.firstSequence <= nextSequence;
      if (torn !== undefined && !goesOn) throw corrupt(torn.file, torn.offset);
      torn = undefined;
      ({ nextSequence } = report);
    }
    if (report.tornAt !== undefined) torn ??= { file, offset: report.tornAt };
  }
}

/** In the order in which they were written. */
async function liveLogs(database: string, { logNumber, previousLogNumber }: Manifest): Promise<string[]> {
  return (await readdir(database))
    .filter((name) => /^\d+\.log$/.test(name))
    .map((name) => ({ name, number: Number.parseInt(name, 10) }))
    .filter(({ number }) => number >= logNumber || number === previousLogNumber)
    .sort((a, b) => a.number - b.number)
    .map(({ name }) => name);
}

function corrupt(file: string, offset: number): StoreError {
  return new StoreError(
    'store-corrupt',
    `${file} is damaged at byte ${offset}, and acknowledged writes follow it. Serving without the damaged part could ` +
      'give old values. Move the directory aside and restore a backup or a replica.',
    { facts: { file, offset } },
  );
}
