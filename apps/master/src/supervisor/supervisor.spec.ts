import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LevelMetadataStore } from '@diststore/metadata';
import { MemoryStorage } from '@diststore/storage';

import { ClusterState } from '../cluster/cluster-state.js';
import { Recovery } from '../configuration/recovery.js';
import { WorkerRegistry } from '../registry/worker-registry.js';
import { Supervisor } from './supervisor.js';
import { isAlive } from './worker-process.js';

const clock = { wallNowMs: () => 0, monotonicNowMs: () => 0 };
const master = { boot: 1, nonce: '0'.repeat(32) };

/** Runs until it is told to stop, and never reports. */
const SILENT_WORKER = 'setInterval(() => undefined, 1000);';

describe('Supervisor', () => {
  let folder: string;
  let close: () => Promise<void>;
  let supervisor: Supervisor;
  let started: number[];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'diststore-supervisor-'));
    started = [];
    const log = {
      log: (line: string): void => {
        const pid = /^Started worker .* process (\d+)$/.exec(line)?.[1];
        if (pid !== undefined) started.push(Number(pid));
      },
      warn: () => undefined,
      error: () => undefined,
    };
    const store = await LevelMetadataStore.open(new MemoryStorage(), { clock });
    const state = await ClusterState.open(store, { placement: 'local' }, (error) => {
      throw error;
    });
    close = async () => {
      await state.close();
      await store.close();
    };
    const recovery = new Recovery(state, clock, log, { master, startupQuietMs: 3000 });
    const reports = { heartbeatMs: 1000, silentAfterMs: 3000, timing: 'fast', master } as const;
    const registry = new WorkerRegistry(state, clock, log, recovery, reports);
    const program = path.join(folder, 'worker.mjs');
    await writeFile(program, SILENT_WORKER);
    supervisor = new Supervisor(registry, log, {
      program,
      host: '127.0.0.1',
      portBase: 5000,
      masterUrl: 'http://127.0.0.1:5000',
      dataDir: folder,
      logFormat: 'text',
      // Longer than a test may take: what ends a worker here is the stop.
      startTimeoutMs: 600_000,
      stopDeadlineMs: 10_000,
      onOutput: () => undefined,
    });
  });

  afterEach(async () => {
    for (const pid of started.filter(isAlive)) process.kill(pid, 'SIGKILL');
    await close();
    await rm(folder, { recursive: true });
  });

  it('stops a worker that is being started at that moment, and starts none afterwards', async () => {
    const creating = supervisor.create(1).catch((error: unknown) => error);
    await supervisor.stop({ stopWorkers: true });
    expect(started).toHaveLength(1);
    expect(started.filter(isAlive)).toEqual([]);
    expect(await creating).toMatchObject({ code: 'worker-start-timeout' });
    await expect(supervisor.create(2)).rejects.toMatchObject({ code: 'draining' });
    expect(started).toHaveLength(1);
  });
});
