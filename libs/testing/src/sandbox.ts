/**
 * Real processes on one machine: the built apps on free ports, with their data in a fresh folder, and the certainty
 * that nothing of it outlives whoever started them.
 *
 * A sandbox is a folder and a mark in the environment of everything that is started in it. A worker that a master
 * starts is detached and outlives it on purpose, so it is found by that mark. A helper process (reap.mjs) does the
 * finding and killing when the sandbox is closed, and also when its owner is killed.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { eventually, type WaitOptions, within } from './eventually.js';
import { freePorts } from './free-ports.js';
import { HttpClient } from './http-client.js';
import { type Command, RunningProcess } from './running-process.js';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const REAPER = fileURLToPath(new URL('reap.mjs', import.meta.url));
const MARK = 'SANDBOX_OF_TEST';

/** Worker i of a master listens on the master's port plus i. */
const WORKERS_MAX = 9;

/** A frame of a stack trace. Nothing that a user may do shows one. */
const STACK_FRAME = /^ +at .+:\d+:\d+\)?$/m;

export interface AppOptions {
  readonly port?: number;
  /** Default: the sandbox's. */
  readonly dataDir?: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
}

export interface WorkerOptions extends AppOptions {
  readonly index?: number;
  /** Default: none, the worker stands alone. */
  readonly masterUrl?: string;
}

/** A master or worker. */
export interface App {
  readonly process: RunningProcess;
  readonly url: string;
  readonly port: number;
  readonly http: HttpClient;
}

export class Sandbox {
  private readonly processes: RunningProcess[] = [];
  private readonly clients: HttpClient[] = [];

  private constructor(
    readonly folder: string,
    private readonly reaper: ChildProcess,
  ) {}

  static async open(): Promise<Sandbox> {
    const folder = await mkdtemp(path.join(tmpdir(), 'diststore-e2e-'));
    const reaper = spawn(process.execPath, [REAPER, markOf(folder), folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    return new Sandbox(folder, reaper);
  }

  get dataDir(): string {
    return this.path('data');
  }

  path(...names: string[]): string {
    return path.join(this.folder, ...names);
  }

  /** Starts a worker and waits until it serves. */
  async startWorker(options?: WorkerOptions): Promise<App> {
    return this.serving(await this.launchWorker(options));
  }

  /** Starts a worker that may not come up. */
  async launchWorker({ index = 1, masterUrl, ...options }: WorkerOptions = {}): Promise<App> {
    const master = masterUrl === undefined ? '--standalone' : `--master-url=${masterUrl}`;
    return this.launch('worker', options, [`--index=${index}`, master]);
  }

  /** Starts a master and waits until it serves. Workers 1 to WORKERS_MAX, which it may create, find their ports free. */
  async startMaster(options?: AppOptions): Promise<App> {
    return this.serving(await this.launchMaster(options));
  }

  async launchMaster(options: AppOptions = {}): Promise<App> {
    const port = options.port ?? (await freePorts(1 + WORKERS_MAX));
    return this.launch('master', { ...options, port }, []);
  }

  /** Starts the same program again, as it was started before, with `flags` added. REQUIRES: it is ending. */
  async startAgain(app: App, flags: readonly string[] = []): Promise<App> {
    return this.serving(await this.launchAgain(app, flags));
  }

  /** As `startAgain`, without waiting until it serves. */
  async launchAgain({ process: ended, ...rest }: App, flags: readonly string[] = []): Promise<App> {
    await ended.untilExit();
    const command = { ...ended.command, args: [...ended.command.args, ...flags] };
    return { ...rest, process: await this.adopt(ended.name, command) };
  }

  /** Starts any other program. What it starts in turn ends with the sandbox as well. */
  async run(name: string, command: Command): Promise<RunningProcess> {
    return this.adopt(name, { ...command, env: this.environment(command.env) });
  }

  /** A client that is closed with the sandbox. */
  client(url: string, options?: { readonly connections?: number }): HttpClient {
    const client = new HttpClient(url, options);
    this.clients.push(client);
    return client;
  }

  /** As the free function, with the output of all processes in the error. */
  eventually<T>(
    what: string,
    probe: () => T | Promise<T>,
    options?: Pick<WaitOptions, 'deadlineMs'>,
  ): Promise<Exclude<T, undefined | false>> {
    return eventually(what, probe, { ...options, context: () => this.describe() });
  }

  /** The ids of everything that runs in this sandbox, whoever started it. */
  async pids(): Promise<number[]> {
    const { stdout } = await promisify(execFile)(process.execPath, [REAPER, markOf(this.folder)]);
    return stdout.split('\n').filter(Boolean).map(Number);
  }

  /**
   * Kills what is still running, and removes the folder.
   * @throws Error when a process would not die, or has shown a stack trace.
   */
  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    const gone = new Promise<number | null>((resolve) => this.reaper.once('exit', resolve));
    this.reaper.stdin?.end();
    const code = await within('everything in the sandbox has ended', gone);
    if (code !== 0) throw new Error(`The sandbox could not be cleaned up.\n${this.describe()}`);
    const traced = this.processes.find(({ output }) => STACK_FRAME.test(output));
    if (traced !== undefined) throw new Error(`A stack trace was shown.\n${traced.describe()}`);
  }

  private async launch(
    app: 'master' | 'worker',
    options: AppOptions,
    flags: readonly string[],
  ): Promise<App> {
    const port = options.port ?? (await freePorts());
    const program = path.join(ROOT, `dist/bundle/${app}/src/main.js`);
    if (!existsSync(program)) throw new Error(`${program} is missing: run \`npm run build\` first.`);
    const dataDir = options.dataDir ?? this.dataDir;
    const args = [program, `${port}`, `--data-dir=${dataDir}`, ...flags, ...(options.flags ?? [])];
    const command: Command = {
      program: process.execPath,
      args,
      env: this.environment(options.env),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
    };
    const url = `http://127.0.0.1:${port}`;
    return { process: await this.adopt(app, command), url, port, http: this.client(url) };
  }

  private async serving(app: App): Promise<App> {
    await app.process.untilPrints(/serves at http/);
    return app;
  }

  private async adopt(name: string, command: Command): Promise<RunningProcess> {
    const started = await RunningProcess.start(name, command);
    this.processes.push(started);
    return started;
  }

  /** Without what a developer's shell or npm may have set: tests start from the defaults. */
  private environment(added: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !name.startsWith('DISTSTORE_') && !/^npm_/i.test(name) && name !== 'NODE_OPTIONS',
    );
    return { ...Object.fromEntries(inherited), ...added, [MARK]: this.folder };
  }

  private describe(): string {
    return this.processes.map((process) => process.describe()).join('\n');
  }
}

function markOf(folder: string): string {
  return `${MARK}=${folder}`;
}
