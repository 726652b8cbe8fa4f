/** A cluster of real processes, each of which can be killed, frozen, wiped, or cut off. */
import { rm } from 'node:fs/promises';
import path from 'node:path';

import { freePorts } from '../free-ports.js';
import type { HttpClient } from '../http-client.js';
import type { App, Sandbox } from '../sandbox.js';
import { LinkProxy } from './link-proxy.js';

export interface ChaosClusterOptions {
  readonly workers: number;
  readonly replicas: number;
  readonly partitions: number;
  /** Of the master and of the workers. */
  readonly masterFlags: readonly string[];
  /** Whether links can be cut; needs more than one loopback address, as Linux has. */
  readonly proxied: boolean;
}

export interface Node {
  readonly index: number;
  /** Straight to the worker, past its proxy. */
  readonly http: HttpClient;
}

interface Part {
  app: App;
  /** Others reach the worker through this one. */
  readonly inbound: LinkProxy | undefined;
  /** The worker reaches the master through this one. */
  readonly toMaster: LinkProxy | undefined;
}

const PROBE_TIMEOUT_MS = 2000;
/** All of a start, an election or a snapshot of these little data. */
const SERVICE_DEADLINE_MS = 60_000;

export class ChaosCluster {
  private readonly parts = new Map<number, Part>();

  private constructor(
    private readonly sandbox: Sandbox,
    private readonly options: ChaosClusterOptions,
    private master: App,
  ) {}

  static async start(sandbox: Sandbox, options: ChaosClusterOptions): Promise<ChaosCluster> {
    const flags = [
      `--bootstrap-expect=${options.workers}`,
      `--partitions=${options.partitions}`,
      ...(options.replicas === 1 ? [] : [`--replication-factor=${options.replicas}`]),
      ...options.masterFlags,
    ];
    const master = await sandbox.startMaster({ flags });
    const cluster = new ChaosCluster(sandbox, options, master);
    for (let index = 1; index <= options.workers; index += 1) await cluster.addWorker(index);
    await cluster.untilFullService();
    return cluster;
  }

  nodes(): Node[] {
    return [...this.parts].map(([index, { app }]) => ({ index, http: app.http }));
  }

  async killWorker(index: number): Promise<void> {
    await this.part(index).app.process.kill();
  }

  /** Asks it to stop, and resolves when it has. */
  async stopWorker(index: number): Promise<void> {
    const { code, signal } = await this.part(index).app.process.stop();
    // By the signal itself: Node had hardly begun to run it.
    if (code !== 0 && signal !== 'SIGTERM')
      throw new Error(`Worker ${index} was asked to stop and ended with ${code ?? signal ?? 'nothing'}.`);
  }

  async startWorker(index: number): Promise<void> {
    const part = this.part(index);
    part.app = await this.sandbox.launchAgain(part.app);
  }

  /** REQUIRES: it does not run. */
  async wipeWorker(index: number): Promise<void> {
    await rm(path.join(this.sandbox.dataDir, `worker-${index}`), { recursive: true, force: true });
  }

  freezeWorker(index: number): void {
    this.part(index).app.process.signal('SIGSTOP');
  }

  thawWorker(index: number): void {
    this.part(index).app.process.signal('SIGCONT');
  }

  async killMaster(): Promise<void> {
    await this.master.process.kill();
  }

  async startMaster(): Promise<void> {
    this.master = await this.sandbox.startAgain(this.master);
  }

  /** Nobody reaches the worker any more, but its clients. What it says to others still arrives. */
  cutInbound(index: number): void {
    this.part(index).inbound?.cut();
  }

  mendInbound(index: number): void {
    this.part(index).inbound?.mend();
  }

  cutFromMaster(index: number): void {
    this.part(index).toMaster?.cut();
  }

  mendToMaster(index: number): void {
    this.part(index).toMaster?.mend();
  }

  /** Until every partition has a primary that is up and as many replicas in sync as it should have. */
  async untilFullService(deadlineMs = SERVICE_DEADLINE_MS): Promise<void> {
    let last = '';
    try {
      await this.sandbox.eventually(
        'the cluster is in full service',
        async () => {
          last = await this.missing();
          return last === '';
        },
        { deadlineMs },
      );
    } catch (error) {
      throw new Error(`Not back in full service: ${last}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    for (const { inbound, toMaster } of this.parts.values()) {
      await inbound?.close();
      await toMaster?.close();
    }
  }

  private part(index: number): Part {
    const part = this.parts.get(index);
    if (part === undefined) throw new Error(`There is no worker ${index}.`);
    return part;
  }

  /** What keeps the cluster from full service; empty: nothing. */
  private async missing(): Promise<string> {
    const answer = await this.master.http.get('/v1/partitions', { timeoutMs: PROBE_TIMEOUT_MS });
    const partitions = answer.json() as { partition: number; replicas: number[] | null }[];
    const wanted = Math.min(this.options.replicas, this.options.workers);
    if (partitions.length < this.options.partitions) return `${partitions.length} partitions`;
    const thin = partitions.filter(({ replicas }) => (replicas?.length ?? 0) < wanted);
    if (thin.length > 0) return `${thin.length} partitions with less than ${wanted} replicas in sync`;
    for (const { index, http } of this.nodes()) {
      for (const { partition } of partitions) {
        // Any key will do: the answer tells whether somebody serves.
        const { status } = await http.get(`/get/probe-${partition}`, { timeoutMs: PROBE_TIMEOUT_MS });
        if (status !== 404) return `worker ${index} answers ${status}`;
      }
    }
    return '';
  }

  private async addWorker(index: number): Promise<void> {
    const { proxied } = this.options;
    const port = await freePorts();
    const toMaster = proxied
      ? await LinkProxy.open({ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: this.master.port })
      : undefined;
    // Workers announce a host of their own and their own port: there the proxy listens.
    const host = `127.0.1.${index}`;
    const inbound = proxied ? await LinkProxy.open({ host, port }, { host: '127.0.0.1', port }) : undefined;
    const app = await this.sandbox.startWorker({
      index,
      port,
      masterUrl: toMaster === undefined ? this.master.url : `http://127.0.0.1:${toMaster.port}`,
      flags: [...(proxied ? [`--advertised-host=${host}`] : []), `--label-host=machine-${index}`],
    });
    this.parts.set(index, { app, inbound, toMaster });
  }
}
