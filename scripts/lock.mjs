/**
 * One set-up at a time: a lock folder that holds one file named after its owner.
 *
 * Taking the lock is one rename: of a prepared folder, with the owner's file in it, onto the lock's name. That
 * succeeds when there is none or when it is empty. Breaking the lock of a dead owner is to remove exactly that
 * owner's file, which empties the folder; so a lock that someone else has taken meanwhile cannot be broken by
 * mistake. The file holds the process ids of the owner and of the child it runs: a killed script may leave an
 * npm at work, and that one is waited for too.
 */
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

import { Failure } from './child.mjs';

const POLL_MS = 200;
/** Longer than any installation; beyond it the owner hangs, or its process id is another program's by now. */
const WAIT_MAX_MS = 10 * 60_000;

/**
 * Waits for the lock `folder` and takes it. Calls `onWait(pid)` once if there is someone to wait for.
 * @returns `release()`, which may be called again, and `runs(pid)`, which names a child at work.
 */
export async function takeLock(folder, onWait = () => undefined) {
  const owner = `${process.pid}-${randomUUID()}`;
  const deadline = Date.now() + WAIT_MAX_MS;
  let announced = false;
  while (!tryTake(folder, owner)) {
    const holder = liveHolder(folder);
    if (Date.now() > deadline) throw heldTooLong(folder, holder);
    if (holder !== undefined && !announced) onWait(holder);
    announced ||= holder !== undefined;
    await sleep(POLL_MS);
  }
  return {
    runs: (pid) => appendFileSync(join(folder, owner), ` ${pid}`),
    release: () => remove(folder, owner),
  };
}

function tryTake(folder, owner) {
  const prepared = `${folder}-${owner}`;
  mkdirSync(prepared, { recursive: true });
  writeFileSync(join(prepared, owner), `${process.pid}`);
  try {
    renameSync(prepared, folder);
    return true;
  } catch (error) {
    // What the systems answer when the folder exists and is not empty.
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES'].includes(error.code)) throw error;
    return false;
  } finally {
    rmSync(prepared, { recursive: true, force: true });
  }
}

/** The process to wait for, if any; a dead owner's lock is broken, so that the next attempt succeeds. */
function liveHolder(folder) {
  const [owner] = attempt(() => readdirSync(folder)) ?? [];
  if (owner === undefined) return attempt(() => rmdirSync(folder));
  const pids = attempt(() => readFileSync(join(folder, owner), 'utf8').split(' ').map(Number)) ?? [];
  // After a restart of the machine or container, a dead owner's process id may well be our own.
  const holder = pids.find((pid) => pid !== process.pid && isAlive(pid));
  if (holder === undefined) remove(folder, owner);
  return holder;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // Alive, but another user's.
  }
}

function remove(folder, owner) {
  attempt(() => rmSync(join(folder, owner)));
  attempt(() => rmdirSync(folder)); // Not empty: the next one has taken it.
}

/** For what another process may do at the same moment: then there is nothing left to do here. */
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function heldTooLong(folder, holder) {
  return new Failure(`The set-up is locked by process ${holder} for ${WAIT_MAX_MS / 60_000} minutes now.`, {
    advice: `If no other npm start or npm test is running, remove ${folder}`,
  });
}
