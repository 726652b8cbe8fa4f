/**
 * The directory of one process: `db/` is LevelDB's, `owner.json` says who has it open. LevelDB's own LOCK file does
 * the excluding; the owner file only lets an error name the holder, so it may be stale and decides nothing.
 */
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { isStoreError, StoreError } from '@diststore/base';

import { messageOf } from './caught.js';
import { readManifest } from './manifest.js';
import { checkTables } from './table-check.js';
import { checkLogs } from './wal-check.js';

export interface Owner {
  readonly pid: number;
  /** What the process is, for people: `worker 1`. */
  readonly name: string;
  /** ISO 8601. */
  readonly since: string;
}

export function databasePath(directory: string): string {
  return path.join(directory, 'db');
}

function ownerPath(directory: string): string {
  return path.join(directory, 'owner.json');
}

/**
 * Creates the directory when it is missing, and refuses one that LevelDB would misread.
 * @param tableCheckBytes how much of the tables to check, the newest first.
 * @throws StoreError store-unusable: cannot be created or read or written; store-corrupt: files are damaged or missing.
 */
export async function prepareDirectory(directory: string, tableCheckBytes: number): Promise<void> {
  const database = databasePath(directory);
  try {
    await createFolders(path.resolve(database));
    await access(directory, constants.W_OK);
    await access(database, constants.W_OK);
    await checkFiles(database, tableCheckBytes);
  } catch (cause) {
    if (isStoreError(cause)) throw cause;
    const detail = `The data directory ${directory} cannot be used: ${messageOf(cause)}.`;
    throw new StoreError('store-unusable', detail, { cause, facts: { directory } });
  }
}

/**
 * Creates `folder`, and before it whatever is missing above it. Not mkdir's `recursive`: Node tries for ever where the
 * system denies a folder by saying that its parent is missing, as under /proc.
 */
async function createFolders(folder: string): Promise<void> {
  if (await exists(folder)) return;
  const parent = path.dirname(folder);
  if (parent !== folder) await createFolders(parent);
  await mkdir(folder).catch(async (error: unknown) => {
    // Another process may have created it meanwhile.
    if (!(await exists(folder))) throw error;
  });
}

function exists(folder: string): Promise<boolean> {
  return stat(folder).then(
    () => true,
    () => false,
  );
}

async function checkFiles(database: string, tableCheckBytes: number): Promise<void> {
  const files = await readdir(database);
  // LevelDB takes a directory without CURRENT for a new one and deletes the tables that it finds there. A MANIFEST
  // alone is what a crash during the very first start leaves.
  if (!files.includes('CURRENT') && files.some((file) => /\.(ldb|sst|log)$/.test(file))) {
    throw new StoreError(
      'store-corrupt',
      `${database} holds data, but its CURRENT file is missing. Restore that file or a backup; opening it as it is would erase the data.`,
      { facts: { database } },
    );
  }
  const manifest = await readManifest(database);
  if (manifest === undefined) return;
  await checkLogs(database, manifest);
  await checkTables(database, manifest, tableCheckBytes);
}

/** Never rejects: a store opens without its owner file too, as it must when the disk is full. */
export async function writeOwner(directory: string, owner: Owner): Promise<void> {
  await writeFile(ownerPath(directory), `${JSON.stringify(owner)}\n`).catch(() => undefined);
}

/** Never rejects. REQUIRES: the store is still open, or another process's file could be removed. */
export async function removeOwner(directory: string): Promise<void> {
  await rm(ownerPath(directory), { force: true }).catch(() => undefined);
}

/** `worker 1 (process 4711, since …)`, or a sentence that says that nothing more is known. */
export async function describeOwner(directory: string): Promise<string> {
  try {
    const owner = JSON.parse(await readFile(ownerPath(directory), 'utf8')) as Partial<Owner>;
    return `${owner.name ?? 'a process'} (process ${owner.pid ?? 'unknown'}, since ${owner.since ?? 'unknown'})`;
  } catch {
    return 'another process';
  }
}
