/**
 * The steps of `npm run check` and `npm test`: what each runs, and how several run side by side. A step prints one
 * line with its time, and its output only when it failed; no failure stops the other steps.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

import { run, seconds } from './child.mjs';
import { root } from './setup.mjs';

/**
 * Each step is a list of commands, run by Node one after the other; the longest come first. Linter, compiler and
 * formatter are native programs: they are done before caches would pay, and so every run sees what a build server sees.
 */
const COMMANDS = {
  lint: ['oxlint/bin/oxlint'],
  types: ['tsconfig.json', ...pureLibraries()].map((file) => `typescript7/bin/tsc --noEmit -p ${file}`),
  imports: ['dependency-cruiser/bin/dependency-cruise.mjs apps libs --config .dependency-cruiser.js'],
  format: ['oxfmt/bin/oxfmt --check'],
  tidy: ['../scripts/tidy.mjs'],
};

/**
 * Node keeps what a test file has loaded for as long as the process lives, and collecting garbage around it comes to
 * cost more than the tests: a process that has grown so far makes way for a new one. One process more than cores, since
 * many tests wait.
 */
const UNIT = ['--selectProjects=unit', '--maxWorkers=3', '--workerIdleMemoryLimit=400MB'];

export const CHECKS = ['unit', ...Object.keys(COMMANDS)];

/** Two cores are what the smallest machine has, and each of the long steps fills one. */
const SIDE_BY_SIDE = 2;

/**
 * Runs the named checks; `brief` gives each property of the unit tests a tenth of its runs.
 * @returns a result for each: `{ name, ok, passed, failed, skipped }`.
 */
export async function runChecks(names, { brief = false } = {}) {
  const waiting = [...names];
  const results = [];
  const runner = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      results.push(await runCheck(name, { brief }));
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, runner));
  return results;
}

async function runCheck(name, { brief }) {
  const startMs = Date.now();
  const result = name === 'unit' ? await jest(name, UNIT, { brief }) : await runAll(name, COMMANDS[name]);
  console.log(`${result.ok ? '✓' : '✗'} ${name.padEnd(8)} ${seconds(startMs)}`);
  if (!result.ok) console.log(`\n${result.output.trim()}\n`);
  return result;
}

async function runAll(name, commands) {
  let output = '';
  let ok = true;
  for (const command of commands) {
    const [script, ...args] = command.split(' ');
    const result = await run([join(root, 'node_modules', script), ...args], { cwd: root });
    output += result.output;
    ok &&= result.code === 0;
  }
  // A failed check counts as one failure, so that "0 failed" always means that all is well.
  return { name, ok, output, passed: 0, failed: ok ? 0 : 1, skipped: 0 };
}

/** Runs Jest. Its flags go to Node itself rather than into NODE_OPTIONS, which the tests' own children would inherit. */
export async function jest(name, args, { show = false, brief = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'diststore-jest-'));
  const report = join(folder, 'report.json');
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const cli = join(root, 'node_modules/jest/bin/jest.js');
  try {
    const options = ['--passWithNoTests', '--json', `--outputFile=${report}`];
    const env = brief ? { ...process.env, DISTSTORE_BRIEF_PROPERTIES: '1' } : process.env;
    const { code, output = '' } = await run([...node, cli, ...options, ...args], { cwd: root, env, show });
    const counts = countsOf(report);
    const failed = Math.max(counts.failed, code === 0 ? 0 : 1);
    return { name, ok: failed === 0, output, ...counts, failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file that could not even be loaded has no tests to count: it is one failure. */
function countsOf(report) {
  if (!existsSync(report)) return { passed: 0, failed: 0, skipped: 0 };
  const json = JSON.parse(readFileSync(report, 'utf8'));
  return {
    passed: json.numPassedTests,
    failed: json.numFailedTests + json.numRuntimeErrorTestSuites,
    skipped: json.numPendingTests + json.numTodoTests,
  };
}

/** The libraries with a compiler configuration of their own, which takes Node away from them. */
function pureLibraries() {
  const files = readdirSync(join(root, 'libs')).map((name) => `libs/${name}/tsconfig.json`);
  return files.filter((file) => existsSync(join(root, file)));
}
