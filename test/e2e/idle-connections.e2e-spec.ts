/**
 * Ten thousand connections that send nothing, at once. The worker serves others as if nothing were, and closes the
 * silent ones when their time is up.
 *
 * The clients share out the connections so that each has file descriptors for its part. How many the worker holds at
 * once depends on its own descriptors; what it cannot hold it must turn away without harm.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { expect, it } from '@jest/globals';
import { useSandbox } from '@diststore/testing';

const sandbox = useSandbox('each');

const CONNECTIONS = 10_000;
/** Long enough to open all of them on a slow machine before the first is closed. */
const REQUEST_TIMEOUT_MS = 12_000;
/** While everybody else hangs on. The worker is one thread, and was given ten thousand connections. */
const ANSWER_MS_MAX = 2000;

const CLIENT = fileURLToPath(new URL('idle-connections.mjs', import.meta.url));
/** What a process of Node needs besides. */
const DESCRIPTORS_RESERVED = 100;
/** What diststore-worker keeps back for LevelDB and the rest; see libs/http. */
const DESCRIPTORS_OF_WORKER = 1500;

function descriptorsMax(): number {
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' });
  return stdout.trim() === 'unlimited' ? Infinity : Number(stdout);
}

it('10,000 silent connections: others are served meanwhile, and all are closed in the end', async () => {
  const { http, port, process } = await sandbox().startWorker({
    flags: [`--request-timeout-ms=${REQUEST_TIMEOUT_MS}`],
  });
  const each = Math.min(CONNECTIONS, descriptorsMax() - DESCRIPTORS_RESERVED);
  const shares = Array.from({ length: Math.ceil(CONNECTIONS / each) }, (_unused, i) =>
    Math.min(each, CONNECTIONS - i * each),
  );
  const connections = async (): Promise<number> =>
    Number(/^diststore_http_connections (\d+)/m.exec((await http.get('/metrics')).text)?.[1]);
  // Connected before, as a client in the middle of its work is.
  await Promise.all([http.put('/put/A/0'), http.get('/livez')]);
  const before = await connections();
  const clients = await Promise.all(
    shares.map((share) =>
      sandbox().run('idle connections', {
        program: globalThis.process.execPath,
        args: [CLIENT, `${port}`, `${share}`],
      }),
    ),
  );

  let slowestMs = 0;
  let answers = 0;
  const serveOthers = async (): Promise<void> => {
    while (clients.some(({ output }) => !output.includes('closed'))) {
      const startMs = performance.now();
      const put = await http.put(`/put/A/${answers}`);
      const get = await http.get('/get/A');
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      expect([put.status, get.text]).toEqual([200, `${answers}`]);
      answers += 1;
    }
  };
  const expected = Math.min(CONNECTIONS, descriptorsMax() - DESCRIPTORS_OF_WORKER);

  await Promise.all([
    sandbox().eventually('the worker holds all it can', async () => (await connections()) >= expected),
    serveOthers(),
  ]);
  expect(slowestMs).toBeLessThan(ANSWER_MS_MAX);
  expect(process.isRunning).toBe(true);
  expect(await connections()).toBeLessThanOrEqual(before + 2);
  // A newcomer gets in as well.
  expect((await sandbox().client(`http://127.0.0.1:${port}`).get('/get/A')).text).toBe(`${answers - 1}`);
  expect((await process.stop()).code).toBe(0);
});
