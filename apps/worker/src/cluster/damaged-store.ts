/**
 * A store whose files are damaged, so that LevelDB must not open it: may this worker begin anew with an empty one?
 *
 *     note beside the store: which store, of which cluster ──► the master's map ──► does anybody count on it?
 *         nobody does, and every partition has a copy that is in sync and up ──► set aside; the others send copies
 *         somebody does, or nobody can say ──► the worker does not start, as it is, for a person to look at
 *
 * The rule is that of a damaged replica (replica-endings.ts), for all replicas of the store at once: as long as one of them
 * is in sync, or a copy of last resort, it may be all that is left. The note is what remains to be read of a store that
 * cannot be opened; without it nothing is decided. The damaged files are moved, not removed, until the next time.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { StoreError } from '@diststore/base';
import { ClusterMap, decodeDelta } from '@diststore/cluster';
import type { WorkerIndex } from '@diststore/cluster';
import type { Log } from '@diststore/process';
import { databasePath } from '@diststore/storage';
import { request } from 'undici';

export interface StoreNote {
  readonly storeId: string;
  readonly clusterId: string;
}

/** Others go on without a worker a lease after they last heard it; the rest is for a busy master. */
const WAIT_MS = 10_000;
const ASK_EVERY_MS = 500;
const REQUEST_TIMEOUT_MS = 2000;

function notePath(directory: string): string {
  return path.join(directory, 'store.json');
}

/** Where the files of a damaged store are kept. */
export function asidePath(directory: string): string {
  return `${databasePath(directory)}.damaged`;
}

/** Never rejects: a store without its note is only not replaced by itself. */
export async function writeNote(directory: string, { storeId, clusterId }: StoreNote): Promise<void> {
  const known = await readNote(directory);
  if (known?.storeId === storeId && known.clusterId === clusterId) return;
  await writeFile(notePath(directory), `${JSON.stringify({ storeId, clusterId })}\n`).catch(() => undefined);
}

async function readNote(directory: string): Promise<StoreNote | undefined> {
  try {
    const { storeId, clusterId } = JSON.parse(await readFile(notePath(directory), 'utf8')) as StoreNote;
    return typeof storeId === 'string' && typeof clusterId === 'string' ? { storeId, clusterId } : undefined;
  } catch {
    return undefined;
  }
}

export interface DamagedStoreOptions {
  /** The process's directory. */
  readonly directory: string;
  readonly index: WorkerIndex;
  readonly masterUrl: string;
  readonly log: Log;
  /** Default: WAIT_MS. */
  readonly waitMs?: number;
}

/**
 * Sets the damaged files aside if nobody counts on them, waiting for that as long as others need to notice.
 * @returns whether an empty store may take their place. If not, nothing was touched, and it is logged why.
 */
export async function setAside(damage: StoreError, options: DamagedStoreOptions): Promise<boolean> {
  const { directory, index, masterUrl, log, waitMs = WAIT_MS } = options;
  const note = await readNote(directory);
  if (note === undefined) return false;
  const untilMs = performance.now() + waitMs;
  for (;;) {
    const reason = await reasonToKeep(note, index, masterUrl);
    if (reason === undefined) break;
    if (performance.now() > untilMs) {
      log.error(`The damaged store is kept as it is, because ${reason}.`);
      return false;
    }
    await sleep(ASK_EVERY_MS);
  }
  const aside = asidePath(directory);
  await rm(aside, { recursive: true, force: true });
  await rename(databasePath(directory), aside);
  log.error(
    `${damage.message} Nobody counts on this store any more, and all it held is in sync elsewhere: worker ${index} begins ` +
      `with an empty one. The damaged files are in ${aside} and may be removed.`,
  );
  return true;
}

/** Undefined: none. */
async function reasonToKeep(
  { storeId, clusterId }: StoreNote,
  index: WorkerIndex,
  masterUrl: string,
): Promise<string | undefined> {
  let map: ClusterMap;
  try {
    const { manager } = (await ask(masterUrl, '/v1/cluster')) as { manager: { state: string } };
    if (manager.state !== 'serving') return `the master is ${manager.state}`;
    const applied = ClusterMap.from(decodeDelta(await ask(masterUrl, '/v1/map?since=0')));
    if (applied.answer !== 'applied') return 'the map of the master cannot be read';
    ({ map } = applied);
  } catch (error) {
    return `the master at ${masterUrl} does not say who needs it: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (map.settings.clusterId !== clusterId)
    return `it belongs to cluster ${clusterId}, the master to another`;
  if (!map.formed || map.worker(index) === undefined) return `the master does not know worker ${index}`;
  for (const { partition, configuration } of map.partitionRecords()) {
    const { insync = [], eligible = [] } = configuration ?? {};
    if ([...insync, ...eligible].some(({ store }) => store === storeId))
      return `partition ${partition} may have nothing newer than what is here`;
    if (!insync.some(({ worker }) => map.worker(worker)?.presence === 'up'))
      return `partition ${partition} has no copy that is up`;
  }
  return undefined;
}

async function ask(masterUrl: string, target: string): Promise<unknown> {
  const answer = await request(new URL(target, masterUrl), {
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
    signal: AbortSignal.timeout(2 * REQUEST_TIMEOUT_MS),
  });
  const json: unknown = await answer.body.json();
  if (answer.statusCode !== 200) throw new Error(`it answered ${answer.statusCode}`);
  return json;
}
