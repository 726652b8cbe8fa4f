/**
 * The usage lines of the original documentation, typed as they stand into a real shell, against processes that were
 * started as documented, on the documented ports.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { isFree, ROOT, type RunningProcess, useSandbox } from '@diststore/testing';

import type { ClusterView } from './cluster-views.js';

const sandbox = useSandbox('all');
const MASTER_PORT = 5000;
const WORKER_PORT = 5001;

/** `nest start` compiles first, which on one busy core is most of a start. */
const START_MS_MAX = 60_000;

const started: RunningProcess[] = [];

beforeAll(async () => {
  for (const port of [MASTER_PORT, WORKER_PORT]) {
    if (!(await isFree(port)))
      throw new Error(
        `Port ${port} is taken. These tests use the documented ports: stop what listens there and run them again.`,
      );
  }
  // One after the other: both compile into the same folder.
  for (const line of ['npx nest start master', 'npx nest start worker -- 5001']) {
    const terminal = await shell(line);
    started.push(terminal);
    await terminal.untilPrints(/serves at/, START_MS_MAX);
  }
  await sandbox().eventually('the master knows that the worker serves', async () => {
    const { workers } = (
      await sandbox().client('http://localhost:5000').get('/master')
    ).json() as ClusterView;
    return workers[0]?.state === 'serving';
  });
}, 2 * START_MS_MAX);

function shell(line: string): Promise<RunningProcess> {
  return sandbox().run(line, {
    program: 'sh',
    args: ['-c', line],
    cwd: ROOT,
    env: { DISTSTORE_DATA_DIR: sandbox().dataDir },
  });
}

async function type(line: string): Promise<string> {
  const { process, code } = await run(line);
  if (code !== 0) throw new Error(process.describe());
  return process.stdout;
}

async function run(line: string): Promise<{ process: RunningProcess; code: number | null }> {
  const process = await shell(line);
  const { code } = await process.untilExit();
  return { process, code };
}

describe('the original usage lines', () => {
  it('connect the master', async () => {
    expect(JSON.parse(await type('curl --X http://localhost:5000/master'))).toMatchObject({
      status: 'connected',
      workers: [{ index: 1, state: 'serving', urls: { http: 'http://127.0.0.1:5001' } }],
    });
  });

  it('connect the worker', async () => {
    expect(JSON.parse(await type('curl --X http://localhost:5001/worker'))).toMatchObject({
      index: 1,
      state: 'serving',
      master: { url: 'http://127.0.0.1:5000', state: 'connected' },
    });
  });

  it('put, get, delete, clear', async () => {
    const receipt = { replicas: [1] };
    expect(JSON.parse(await type("curl --X http://localhost:5001/put/'A'/'happy'"))).toMatchObject({
      key: 'A',
      ...receipt,
    });
    expect(await type("curl --X http://localhost:5001/get/'A'/")).toBe('happy');
    expect(JSON.parse(await type("curl --X http://localhost:5001/delete/'A'"))).toMatchObject({
      key: 'A',
      ...receipt,
    });
    expect(JSON.parse(await type("curl --X http://localhost:5001/get/'A'/"))).toMatchObject({
      code: 'key-not-found',
    });
    await type("curl --X http://localhost:5001/put/'A'/'happy'");
    expect(JSON.parse(await type('curl --X http://localhost:5001/clear'))).toEqual({
      removed: 1,
      workers: [1],
    });
  });
});

describe('./start-master', () => {
  it('connects the master and prints its cluster', async () => {
    expect(JSON.parse(await type('./start-master'))).toMatchObject({ status: 'connected' });
  });

  it('says how to start one when none runs', async () => {
    const { process, code } = await run('MASTER=http://localhost:9 ./start-master');
    expect(code).toBe(1);
    expect(process.stderr).toMatch(
      /No master answers at http:\/\/localhost:9: .*refused|Could ?n[o']t connect/i,
    );
    expect(process.stderr).toMatch(/npx nest start master/);
    expect(process.stdout).toBe('');
  });
});

describe('./test-worker', () => {
  // Worker 1 runs already: it was started by hand, and the master knows it.
  it.each([['foo'], ["it's 100% a/b?c#d+e ü"]])('stores a value under %j and reads it back', async (key) => {
    const output = await type(`./test-worker 1 "${key}"`);
    expect(output).toMatch(
      /Read back: stored by test-worker at .*\nWorker 1 at http:\/\/127\.0\.0\.1:5001 works\./,
    );
    expect(
      await type(`curl -s http://localhost:5001/get/${encodeURIComponent(key).replace("'", '%27')}`),
    ).toMatch(/^stored by test-worker/);
  });

  it('creates the worker when there is none', async () => {
    expect(await isFree(5002)).toBe(true);
    expect(await type('./test-worker 2 foo')).toMatch(/Worker 2 at http:\/\/127\.0\.0\.1:5002 works\./);
  });

  it.each([
    ['./test-worker', 2, /^Usage: \.\/test-worker <worker_idx> <key>/],
    ['./test-worker 1', 2, /^Usage/],
    ['./test-worker 1 ""', 2, /^Usage/],
    ['./test-worker one foo', 2, /index is a whole number from 1 to 999, not 'one'/],
    ['./test-worker 1000 foo', 1, /Cannot create worker 1000 .* 400: .*bad-worker-index/],
    ['./test-worker 1 $(printf %01025d 0)', 1, /Cannot store a value on worker 1 .* 414: .*key-too-long/],
    ['MASTER=http://localhost:9 ./test-worker 1 foo', 1, /Cannot create worker 1 .*localhost:9: .*connect/i],
  ] as const)('%s fails with %d and says why', async (line, exit, message) => {
    const { process, code } = await run(line);
    expect([code, process.stdout]).toEqual([exit, '']);
    expect(process.stderr).toMatch(message);
  });
});

describe('Ctrl-C', () => {
  it('stops a process that nest start runs, in good order', async () => {
    for (const terminal of started.reverse()) {
      // As a terminal does it: the signal goes to npx, nest and the app at once.
      terminal.signalGroup('SIGINT');
      await terminal.untilExit();
      expect(terminal.output).toMatch(/Stopping \(SIGINT\)[^]*Stopped\n$/);
    }
    for (const port of [MASTER_PORT, WORKER_PORT]) expect(await isFree(port)).toBe(true);
  });
});
