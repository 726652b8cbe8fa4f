/** docs/http.md: its commands and its lines of TypeScript print what it says they print, and its codes are the code's. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { inspect, promisify } from 'node:util';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { DistStoreClient, isDistStoreError } from '@diststore/client';
import { type App, useSandbox } from '@diststore/testing';

import { REFUSALS } from '../../apps/worker/src/http/refusals.js';

const sandbox = useSandbox('all');
const text = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');
let worker: App;

beforeAll(async () => {
  worker = await sandbox().startWorker();
});

interface Step {
  readonly command: string;
  readonly output: string;
}

function part(name: string): string {
  const found = new RegExp(`<!-- ${name} -->([^]*)<!-- /${name} -->`).exec(text)?.[1];
  if (found === undefined) throw new Error(`docs/http.md has no part called ${name}.`);
  return found;
}

/** The commands after `$ `, each with the lines up to the next one. */
function tour(): Step[] {
  const blocks = [...part('tour').matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block ?? '');
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const end = step.indexOf('\n');
        return { command: step.slice(0, end), output: step.slice(end + 1).trimEnd() };
      }),
  );
}

/** Which numbers a store gives to its writes is its own affair; that they are there is not. */
function withoutVersions(output: string): string {
  return output.replace(/"version":\d+/g, '"version":N');
}

describe('docs/http.md', () => {
  it('the commands print what it says', async () => {
    const steps = tour();
    expect(steps.length).toBeGreaterThan(20);
    // One shell for all, as a reader has it, with a mark behind the output of each.
    const script = steps.map(({ command }) => `${command}\nprintf '\\036'\n`).join('');
    const env = { ...process.env, S: worker.url };
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { env, cwd: sandbox().folder });
    const printed = stdout.split('\x1e').map((output) => output.trim());
    steps.forEach(({ command, output }, i) => {
      expect({ command, output: withoutVersions(printed[i] ?? '') }).toEqual({
        command,
        output: withoutVersions(output),
      });
    });
  });

  it('the lines of TypeScript print what it says', async () => {
    const block = /```ts\nimport .+\n([^]*?)```/.exec(part('client'))?.[1] ?? '';
    const code = block.replace(/'http:\/\/localhost:5001', 'http:\/\/localhost:5002'/, `'${worker.url}'`);
    const said = [...block.matchAll(/^\/\/ (.+)$/gm)].map(([, line]) => line);
    expect(said.length).toBeGreaterThan(3);
    expect(code).toContain(worker.url);
    await worker.http.delete('/clear');
    const printed: string[] = [];
    const log = (value: unknown): void =>
      void printed.push(typeof value === 'string' ? value : inspect(value));
    const names = ['DistStoreClient', 'isDistStoreError', 'console'];
    // The lines have no types in them: they are JavaScript as they stand.
    // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-call
    await new Function(...names, `return (async () => {${code}})()`)(DistStoreClient, isDistStoreError, {
      log,
    });
    expect(printed).toEqual(said);
  });

  it('the codes are those of the code', () => {
    const rows = [...part('refusals').matchAll(/^\| `([a-z-]+)`\s*\| (\d+)\s*\| (.+?)\s*\|$/gm)];
    expect(rows.map(([, code, status, title]) => ({ code, status: Number(status), title }))).toEqual(
      Object.entries(REFUSALS).map(([code, { status, title }]) => ({ code, status, title })),
    );
  });
});
