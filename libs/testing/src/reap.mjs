/**
 * Ends what a test has started, however the test ended: waits until its standard input closes, which is when the test
 * says so or dies, then kills every process that carries the mark, and removes the folder.
 *
 *     node reap.mjs <mark> <folder>     waits, kills, removes; exits 1 when something would not die
 *     node reap.mjs <mark>              prints the marked processes, one id a line
 *
 * The mark is an environment variable, `NAME=value`, which children inherit, detached ones too. Plain JavaScript: it
 * is run by Node itself.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MS = 10_000;
const PAUSE_MS = 10;

const [, , mark, folder] = process.argv;

if (folder === undefined) {
  console.log(marked().join('\n'));
} else {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('close', resolve));
  const survivors = await killAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  if (survivors.length > 0) {
    console.error(`Would not die: ${survivors.join(', ')}`);
    process.exitCode = 1;
  }
}

/** Again and again, because a process may have started another one at the moment of its death. */
async function killAll() {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const pids = marked();
    if (pids.length === 0 || Date.now() > deadline) return pids;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
    await sleep(PAUSE_MS);
  }
}

function marked() {
  return (process.platform === 'linux' ? markedOnLinux() : markedByPs()).filter((pid) => pid !== process.pid);
}

/** Empty for a process that has ended and waits for its parent to notice. */
function markedOnLinux() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
      } catch {
        return false; // Another user's, or gone.
      }
    })
    .map(Number);
}

function markedByPs() {
  const list = execFileSync('ps', ['-A', '-E', '-ww', '-o', 'pid=,command='], { encoding: 'utf8' });
  return list
    .split('\n')
    .filter((line) => line.includes(mark))
    .map((line) => Number.parseInt(line, 10));
}
