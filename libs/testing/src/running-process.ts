/** A child process of a test, with what it has printed. Its end is waited for, never assumed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { eventually, WAIT_MS, within } from './eventually.js';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Runs it as another user; needs to be root. */
  readonly uid?: number;
}

export interface Exit {
  /** null: ended by a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Enough for a stack trace and the way there; older output goes. */
const OUTPUT_CHARS_MAX = 1024 * 1024;

export class RunningProcess {
  private out = '';
  private err = '';
  private both = '';
  private ended: Exit | undefined;
  /** When it has ended and all of its output has come. */
  private readonly exit: Promise<Exit>;

  private constructor(
    readonly name: string,
    readonly command: Command,
    private readonly child: ChildProcess,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out = (this.out + text).slice(-OUTPUT_CHARS_MAX);
      this.both = (this.both + text).slice(-OUTPUT_CHARS_MAX);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err = (this.err + text).slice(-OUTPUT_CHARS_MAX);
      this.both = (this.both + text).slice(-OUTPUT_CHARS_MAX);
    });
    this.exit = once(child, 'close').then(([code, signal]) => {
      this.ended = { code: code as number | null, signal: signal as NodeJS.Signals | null };
      return this.ended;
    });
  }

  /** Starts `command` at the head of a process group of its own, as a terminal would. */
  static async start(name: string, command: Command): Promise<RunningProcess> {
    const { program, args, cwd, env, uid } = command;
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    const started = new RunningProcess(name, command, child);
    await once(child, 'spawn');
    return started;
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} was not started.`);
    return this.child.pid;
  }

  get stdout(): string {
    return this.out;
  }

  get stderr(): string {
    return this.err;
  }

  /** Both streams, in the order in which they came. */
  get output(): string {
    return this.both;
  }

  get isRunning(): boolean {
    return this.ended === undefined;
  }

  /** What a failing wait shows. */
  describe(): string {
    const state = this.ended === undefined ? 'running' : `ended: ${JSON.stringify(this.ended)}`;
    return `--- ${this.name} (process ${this.pid}, ${state}) printed:\n${this.both}---`;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** As Ctrl-C and its like do: to the process and to all of its group. */
  signalGroup(name: NodeJS.Signals): void {
    process.kill(-this.pid, name);
  }

  /** Resolves when the output has a match; rejects when the process ends without one. */
  async untilPrints(pattern: RegExp, deadlineMs = WAIT_MS): Promise<RegExpExecArray> {
    const what = `${this.name} prints ${pattern.source}`;
    const context = (): string => this.describe();
    const found = await eventually(
      what,
      () => {
        const match = pattern.exec(this.both);
        // Judged after the last look at the output, which is complete when the end is known.
        return match ?? (this.isRunning ? undefined : null);
      },
      { deadlineMs, context },
    );
    if (found === null)
      throw new Error(`${this.name} ended before it printed ${pattern.source}.\n${context()}`);
    return found;
  }

  untilExit(deadlineMs = WAIT_MS): Promise<Exit> {
    return within(`${this.name} ends`, this.exit, { deadlineMs, context: () => this.describe() });
  }

  /** As kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.untilExit();
  }

  /** Asks it to stop, in good order. */
  async stop(deadlineMs = WAIT_MS): Promise<Exit> {
    this.signal('SIGTERM');
    return this.untilExit(deadlineMs);
  }
}
