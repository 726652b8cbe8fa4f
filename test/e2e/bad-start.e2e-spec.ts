/** Starts that cannot succeed: each says why, all of it at once, and tells a supervisor by its exit code. */
import { once } from 'node:events';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';

import { describe, expect, it } from '@jest/globals';
import { type App, freePorts, useSandbox } from '@diststore/testing';

const sandbox = useSandbox('each');

/** The exit codes are an interface: written out here, not imported. */
const USAGE = 2;
const STORE_LOCKED = 11;
const STORE_UNUSABLE = 13;
const ADDRESS_IN_USE = 98;

/** Has no right to write in anybody's folder. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

async function expectExit(app: App, code: number, message: RegExp): Promise<void> {
  expect(await app.process.untilExit()).toEqual({ code, signal: null });
  expect(app.process.output).toMatch(message);
  expect(app.process.output).not.toMatch(/serves at/);
}

describe('port', () => {
  it.each(['worker', 'master'] as const)('a %s whose port is taken names it', async (kind) => {
    const port = await freePorts();
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    try {
      const app = await (kind === 'worker'
        ? sandbox().launchWorker({ port })
        : sandbox().launchMaster({ port }));
      await expectExit(
        app,
        ADDRESS_IN_USE,
        new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is taken.*Stop that process`),
      );
    } finally {
      other.close();
    }
  });

  it('an address of another machine is refused', async () => {
    const worker = await sandbox().launchWorker({ flags: ['--host=192.0.2.1'] });
    await expectExit(worker, 1, /Cannot listen on 192\.0\.2\.1/);
  });
});

describe('data directory', () => {
  it('one that may not be written in', async () => {
    await mkdir(sandbox().dataDir, { recursive: true });
    await chmod(sandbox().folder, 0o755);
    await chmod(sandbox().dataDir, 0o555);
    const worker = await sandbox().launchWorker(isRoot ? { uid: NOBODY } : {});
    await expectExit(worker, STORE_UNUSABLE, /data directory .*worker-1 cannot be used: EACCES.*Check that/);
  });

  it('one that is a file', async () => {
    await writeFile(sandbox().dataDir, '');
    await expectExit(await sandbox().launchWorker(), STORE_UNUSABLE, /cannot be used: ENOTDIR/);
  });

  it('one that another process has open: the holder is named, and goes on', async () => {
    const holder = await sandbox().startWorker();
    const worker = await sandbox().launchWorker();
    const named = new RegExp(
      `is open in worker 1 \\(process ${holder.process.pid}, since 20.*Stop that process`,
    );
    await expectExit(worker, STORE_LOCKED, named);
    expect((await holder.http.put('/put/A/1')).status).toBe(201);
  });

  it('the one of another worker', async () => {
    const worker = await sandbox().startWorker({ index: 1 });
    await worker.process.stop();
    await rename(sandbox().path('data/worker-1'), sandbox().path('data/worker-2'));
    const other = await sandbox().launchWorker({ index: 2 });
    await expectExit(other, STORE_UNUSABLE, /belongs to worker 1, not to worker 2\. Choose another/);
  });

  it('one that has lost a file', async () => {
    const worker = await sandbox().startWorker();
    await worker.http.put('/put/A/1');
    await worker.process.kill();
    await rm(sandbox().path('data/worker-1/db/CURRENT'));
    await expectExit(await sandbox().launchWorker(), STORE_UNUSABLE, /CURRENT file is missing\. Restore/);
  });
});

describe('flags', () => {
  it('every problem is listed at once, on standard error', async () => {
    const { process } = await sandbox().launchWorker({
      flags: ['--max-value-byte=5', '--storage=tape', '--stop-deadline-ms=soon', 'surplus'],
      env: { DISTSTORE_LOG_LEVEL: 'loud' },
    });
    expect(await process.untilExit()).toEqual({ code: USAGE, signal: null });
    expect(process.stdout).toBe('');
    for (const problem of [
      /--max-value-byte\b.*--max-value-bytes/,
      /--storage must be .*level.*memory.*"tape"/,
      /--stop-deadline-ms must be .*"soon"/,
      /surplus/,
      /DISTSTORE_LOG_LEVEL must be .*"loud"/,
      /See .* --help/,
    ]) {
      expect(process.stderr).toMatch(problem);
    }
  });

  it('a relation that does not hold is a problem too', async () => {
    const master = await sandbox().launchMaster({ flags: ['--heartbeat-ms=1000', '--silent-after-ms=1500'] });
    await expectExit(master, USAGE, /--silent-after-ms: 1500 must be at least twice --heartbeat-ms/);
  });

  it('a variable that names no option is a warning, and a guess', async () => {
    const worker = await sandbox().startWorker({ env: { DISTSTORE_MAX_VALUE_BYTE: '5' } });
    expect(worker.process.output).toMatch(
      /DISTSTORE_MAX_VALUE_BYTE .*did you mean DISTSTORE_MAX_VALUE_BYTES/,
    );
  });
});
