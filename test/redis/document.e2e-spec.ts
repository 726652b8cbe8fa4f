/** docs/redis.md: its commands and programs print what it says they print. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify, stripVTControlCharacters } from 'node:util';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
import { ROOT, useSandbox } from '@diststore/testing';

import { isInstalled } from './installed.js';
import { startRedisCluster } from './redis-cluster.js';

const sandbox = useSandbox('all');
const text = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
/** The ports that the page names, and those that they have here. */
const ports = new Map<string, string>();

beforeAll(async () => {
  const { workers } = await startRedisCluster(sandbox(), 3, { partitions: 64 });
  workers.forEach(({ clusterPort, gatewayPort }, i) => {
    ports.set(`700${i + 1}`, String(clusterPort));
    ports.set(`800${i + 1}`, String(gatewayPort));
  });
}, 120_000);

function blocks(language: string): string[] {
  const tour = /<!-- tour -->([^]*)<!-- \/tour -->/.exec(text)?.[1];
  if (tour === undefined) throw new Error('docs/redis.md has no part called tour.');
  return [...tour.matchAll(/```(\w+)\n([^]*?)```/g)].flatMap(([, is, block = '']) =>
    is === language ? [block] : [],
  );
}

/** As the page says it, or as it is here. */
function translated(from: string, direction: 'to-here' | 'to-page'): string {
  let result = from;
  for (const [page, here] of ports) {
    const [before, after] = direction === 'to-here' ? [page, here] : [here, page];
    result = result.replaceAll(new RegExp(`\\b${before}\\b`, 'g'), after);
  }
  return result;
}

/** `...` stands for anything, and the ids of nodes differ from cluster to cluster. */
function patternOf(output: string): RegExp {
  const anyId = output.replaceAll(/\([0-9a-f]{8}\.\.\.\)/g, '(...)');
  const parts = anyId.split('...').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*?')}$`);
}

/** Without colours, and of lines that were written over only what stayed. */
function asSeen(output: string): string {
  return stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\r') + 1).trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

/** In the order of the page: later ones read what earlier ones have stored. */
const steps = blocks('console').flatMap((block) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((step): [command: string, output: string] => {
      const end = step.indexOf('\n');
      return [step.slice(0, end), step.slice(end + 1).trimEnd()];
    }),
);

const hasTools = isInstalled('redis-cli') && isInstalled('redis-benchmark');

(hasTools ? describe : describe.skip)(`the commands (${hasTools ? '' : 'no '}redis-cli is installed)`, () => {
  it.each(steps)('%s', async (command, output) => {
    // As to a terminal, which shows types and quotes.
    const script = translated(command, 'to-here').replace(/^redis-cli (?!--)/, 'redis-cli --no-raw ');
    const { stdout } = await promisify(execFile)('sh', ['-c', script]);
    expect(translated(asSeen(stdout), 'to-page')).toMatch(patternOf(output));
  });
});

/** What a comment behind a statement says that it prints. */
function printedBy(program: string): string[] {
  return [...program.matchAll(/^.*\); \/\/ (.*)$/gm)].map(([, printed = '']) => printed);
}

const programs = [...blocks('js'), ...blocks('ts')].map((program): [imports: string, program: string] => [
  [...program.matchAll(/from '(.*)'/g)].map(([, name]) => name).join(', '),
  program,
]);

describe('the programs', () => {
  it.each(programs)('that import %s', async (_imports, program) => {
    const printed = printedBy(program);
    expect(printed.length).toBeGreaterThan(0);
    const { code } = await transform(translated(program, 'to-here'), {
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true },
      },
      module: { type: 'es6' },
    });
    // From standard input, so that it finds the packages of the folder that it runs in.
    const running = promisify(execFile)(process.execPath, ['--input-type=module', '-'], { cwd: ROOT });
    running.child.stdin?.end(code);
    const { stdout } = await running;
    expect(translated(stdout.trimEnd(), 'to-page').split('\n')).toEqual(printed);
  });
});
