/**
 * What a row is measured on: a folder for data, free ports, programs, and the load generator. Whatever is opened on a
 * stage is closed with it, last first, however the row ends.
 *
 * Servers share one processor core and the load generator has another, where the system lets us pin them. So a server
 * with more threads gets no more of the machine than one with a single thread, and the load takes nothing from either.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { Program } from './program.mjs';
import { CONNECTIONS } from './workload.mjs';

export class Stage {
  #closers = [];
  #generator;

  /**
   * @param settings of the run: see run.mjs.
   * @param cores `{ server, load }`, or undefined where programs cannot be pinned.
   */
  constructor(runFolder, settings, cores) {
    this.settings = settings;
    this.cores = cores;
    this.folder = mkdtempSync(join(runFolder, 'row-'));
    this.#closers.push(() => rmSync(this.folder, { recursive: true, maxRetries: 5, retryDelay: 100 }));
  }

  /** A new folder for the data of one contestant. */
  dataFolder(name) {
    return mkdtempSync(join(this.folder, `${name}-`));
  }

  /** Starts any command; see Program. */
  start(command, options) {
    const program = new Program(command, options);
    this.#closers.push(() => program.stop());
    return program;
  }

  /** Starts a Node program on the core of the servers. */
  startServer(args, options) {
    return this.start([process.execPath, ...args], { core: this.cores?.server, ...options });
  }

  /** Starts a file of the bench that answers messages, on the core of the servers. */
  startOwnServer(url) {
    return this.startServer([fileURLToPath(url)], { ipc: true });
  }

  /** Sends each request of a kind (workload.mjs) once, for every key of the run or the first `keys`. */
  async fill(port, kind, keys = this.settings.keys) {
    await this.#load().ask({ command: 'fill', options: { port, kind, keys } });
  }

  /**
   * Loads a server for one round with requests of a kind.
   * @param load what is otherwise than usual: `keys`, how many different requests; `connections`; `rounds`, how many
   * usual rounds this one is as long as.
   * @returns the sample that generator.mjs describes.
   */
  loadRound({ port, pid }, kind, { keys = this.settings.keys, connections = CONNECTIONS, rounds = 1 } = {}) {
    const { warmUpMs, roundMs } = this.settings;
    const options = { port, pid, kind, keys, connections, warmUpMs, measureMs: rounds * roundMs };
    return this.#load().ask({ command: 'measure', options });
  }

  #load() {
    const generator = fileURLToPath(new URL('load/generator.mjs', import.meta.url));
    this.#generator ??= this.start([process.execPath, generator], { core: this.cores?.load, ipc: true });
    return this.#generator;
  }

  /** Never rejects, and may be called again: what cannot be closed is reported, and the rest is closed. */
  async close() {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer();
      } catch (error) {
        console.error(error);
      }
    }
  }
}

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of those may be
 * taken before the server listens, even by the very connection that looks whether it does.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;

/** The first of `count` ports in a row that are free now. */
export async function freePorts(count = 1) {
  for (;;) {
    const first = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    const servers = [];
    try {
      for (let i = 0; i < count; i++) {
        const server = createServer().listen(first + i, '127.0.0.1');
        servers.push(server);
        await once(server, 'listening');
      }
      return first;
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    } finally {
      for (const server of servers) server.close();
    }
  }
}
