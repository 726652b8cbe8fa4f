/**
 * A child process of the bench: a contestant or the load generator. In a process group of its own, so that Ctrl-C in
 * the terminal reaches the bench alone, which then stops everything in order.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { clearTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that does not serve by then has failed. */
const START_WAIT_MS = 60_000;
/** How exactly the moment is known at which a program serves. */
const POLL_MS = 5;
/** A program that has not stopped by then is killed. */
const STOP_WAIT_MS = 15_000;
/** How much of a program's output is kept, for when it fails. */
const OUTPUT_CHARS_MAX = 4000;

export class Program {
  #child;
  #ended;
  #output = '';

  /**
   * @param command program and arguments.
   * @param core number of the only processor core that it may use; undefined: any.
   * @param ipc whether it is a Node program that answers messages: see `ask`.
   */
  constructor(command, { core, cwd, ipc = false } = {}) {
    const [file, ...args] = core === undefined ? command : ['taskset', '--cpu-list', `${core}`, ...command];
    const stdio = ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])];
    this.#child = spawn(file, args, { cwd, stdio, env: ownEnvironment(), detached: true });
    // 'close' comes when its children, too, have closed the output that they inherited.
    this.#ended = once(this.#child, 'close').catch((error) => (this.#output += error.message));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.#output = (this.#output + text).slice(-OUTPUT_CHARS_MAX);
      });
    }
  }

  get pid() {
    return this.#child.pid;
  }

  /** Sends `message` and resolves with the answer. One at a time. @throws when the program says so, or has ended. */
  async ask(message) {
    this.#child.send(message);
    const [answer] = await this.whileAlive(once(this.#child, 'message'));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result;
  }

  /** Resolves as `work`, or rejects, with what the program has printed, when it ends before that. */
  whileAlive(work) {
    const early = this.#ended.then(() => {
      throw new Error(`${this.#child.spawnargs.join(' ')} has ended:\n${this.#output}`);
    });
    return Promise.race([work, early]);
  }

  /**
   * Asks `url` until `accept` returns something for its answer, and resolves with that. For a program that comes up:
   * nobody may listen yet.
   */
  async untilAnswered(url, accept, options = {}) {
    const deadlineMs = performance.now() + START_WAIT_MS;
    const poll = async () => {
      while (performance.now() < deadlineMs) {
        const answer = await fetch(url, options).catch(() => undefined);
        const accepted = answer && (await accept(answer));
        if (accepted) return accepted;
        await sleep(POLL_MS);
      }
      throw new Error(`No good answer from ${url} within ${START_WAIT_MS} ms:\n${this.#output}`);
    };
    return this.whileAlive(poll());
  }

  /** Asks the program and its children to stop, and waits until they have. May be called again. */
  async stop() {
    this.#signal('SIGTERM');
    const overdue = setTimeout(() => this.#signal('SIGKILL'), STOP_WAIT_MS);
    await this.#ended;
    clearTimeout(overdue);
  }

  #signal(name) {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, name);
    } catch {
      // It has ended by itself.
    }
  }
}

/** Without the settings of whoever runs the bench: every run measures the defaults. */
function ownEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DISTSTORE_')));
}
