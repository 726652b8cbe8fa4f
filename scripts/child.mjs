/**
 * Child processes of the scripts: run one, keep what it prints, and show that only when it matters.
 * Every child is ended with this process, so that Ctrl-C leaves nothing behind that still writes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';

/** What a script tells its user instead of a stack trace: what failed, the output, and what to do. */
export class Failure extends Error {
  constructor(message, { output = '', advice = '' } = {}) {
    super(message);
    this.output = output;
    this.advice = advice;
  }
}

/** For `main().catch(reportAndExit)`. */
export function reportAndExit(error) {
  if (error instanceof Failure) {
    const parts = [error.output.trim(), `${error.message}`, error.advice];
    console.error(parts.filter((part) => part !== '').join('\n'));
  } else {
    console.error(error);
  }
  process.exit(1);
}

const running = new Set();

/** Windows has no process groups; there a child gets the console's Ctrl-C by itself. */
const hasGroups = process.platform !== 'win32';

/**
 * Runs `node ...args` (or `command`) and resolves with its exit code and everything it printed, in order.
 * `show` passes the output on as it comes instead of keeping it. Rejects only when the child cannot be started.
 */
export async function run(
  args,
  { command = process.execPath, cwd, env = process.env, show = false, onStart } = {},
) {
  const stdio = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
  const shell = !hasGroups && command !== process.execPath; // npm is a batch file there.
  const child = spawn(command, args, { cwd, env, stdio, shell, detached: hasGroups });
  let output = '';
  for (const stream of show ? [] : [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  running.add(child);
  try {
    if (child.pid !== undefined) onStart?.(child.pid);
    const [code, signal] = await once(child, 'close');
    return { code: code ?? 1, output: signal === null ? output : `${output}\nEnded by ${signal}.\n` };
  } finally {
    running.delete(child);
  }
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
/** How long an interrupted child may tidy up before it is killed. */
const STOP_WAIT_MS = 1500;

/**
 * While `work` runs, a signal ends the children, runs `cleanUp` and exits with the code that shells expect.
 * Afterwards signals are left to whoever comes next.
 */
export async function interruptible(work, cleanUp = () => undefined) {
  let stopping = false;
  const stop = async (signal) => {
    if (stopping) return;
    stopping = true;
    const ended = Promise.all([...running].map((child) => once(child, 'close')));
    killAll(signal);
    setTimeout(() => killAll('SIGKILL'), STOP_WAIT_MS);
    await ended;
    cleanUp();
    process.stdout.write('\n');
    process.exit(SIGNALS[signal]);
  };
  for (const signal of Object.keys(SIGNALS)) process.on(signal, stop);
  try {
    return await work();
  } finally {
    // While stopping, the failures of the killed children are no news: `stop` ends the process.
    if (stopping) await new Promise(() => undefined);
    for (const signal of Object.keys(SIGNALS)) process.off(signal, stop);
  }
}

function killAll(signal) {
  for (const child of running) {
    try {
      process.kill(hasGroups ? -child.pid : child.pid, signal);
    } catch {
      // It has ended in the meantime.
    }
  }
}

/** The time passed since `sinceMs`, for progress lines. */
export function seconds(sinceMs) {
  return `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;
}
