/** `npm start` in a checkout that is installed and built: one terminal, a master and three workers, one Ctrl-C. */
import { expect, it } from '@jest/globals';
import { freePorts, ROOT, type RunningProcess, useSandbox } from '@diststore/testing';

const sandbox = useSandbox('each');

/** Includes a build, which is only there when sources have changed since the last one. */
const START_MS_MAX = 90_000;

async function npmStart(port: number, ...flags: string[]): Promise<RunningProcess> {
  const args = ['start', '--', '--data-dir', sandbox().dataDir, '--http-port', `${port}`, ...flags];
  const terminal = await sandbox().run('npm start', { program: 'npm', args, cwd: ROOT });
  await terminal.untilPrints(/Stop with Ctrl-C/, START_MS_MAX);
  return terminal;
}

/** Stopped by itself after Ctrl-C: 0, or 130 where npm gives the interrupted shell's word. */
const INTERRUPTED = [0, 130];

async function expectAllStopped(terminal: RunningProcess): Promise<void> {
  const { code, signal } = await terminal.untilExit();
  expect(signal === 'SIGINT' || INTERRUPTED.includes(code ?? -1)).toBe(true);
  expect(terminal.output).toMatch(/Stopping \(SIGINT\)/);
  expect(terminal.output.match(/^\[worker \d+\].*Stopped$/gm)).toHaveLength(3);
  expect(terminal.output).toMatch(/^\[diststore\].*Stopped$/m);
  // Those of npm itself may take a moment more.
  await sandbox().eventually('no process is left', async () => (await sandbox().pids()).length === 0);
}

it('prints the table, takes the write that it suggests, and Ctrl-C stops every process', async () => {
  const port = await freePorts(4);
  const terminal = await npmStart(port);
  const table = [0, 1, 2, 3].map((i) =>
    i === 0
      ? `  master    http://127\\.0\\.0\\.1:${port}  serving`
      : `  worker ${i}  http://127\\.0\\.0\\.1:${port + i}  serving  0 keys`,
  );
  expect(terminal.stdout).toMatch(new RegExp(table.join('\n')));

  const store = /Store a value: +curl -X PUT (\S+)/.exec(terminal.stdout)?.[1] ?? '';
  const read = /Read it back: +curl (\S+)/.exec(terminal.stdout)?.[1] ?? '';
  const http = sandbox().client(`http://127.0.0.1:${port + 1}`);
  expect((await http.put(new URL(store).pathname)).status).toBe(201);
  expect((await http.get(new URL(read).pathname)).text).toBe('hello');

  terminal.signalGroup('SIGINT');
  await expectAllStopped(terminal);

  // Again on the same data, and now the interrupt comes twice, as it does where npm passes it on to its child.
  const again = await npmStart(port);
  expect((await http.get(new URL(read).pathname)).text).toBe('hello');
  again.signalGroup('SIGINT');
  again.signalGroup('SIGINT');
  await expectAllStopped(again);
});
