/**
 * `npm run sim -- --seeds 100000`: runs the simulated cluster on many seeds, as fast as one core does, and prints what
 * it found. `--seed S` runs one and prints its trace (`--verbose` for every step). `--from N` starts elsewhere,
 * `--profile NAME` fixes the kind of faults, `--keep-going` does not stop at the first violation.
 *
 * The sources are compiled file by file into a cache, without checking types, so that a run starts in a second.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { transformSync } from '@swc/core';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules/.cache/simulation');
const SOURCES = ['libs/base/src', 'libs/cluster/src', 'libs/replication/src', 'libs/testing/src/simulation'];

const USAGE = `Usage: npm run sim -- [--seeds <n>] [--from <n>] [--seed <n>] [--verbose] [--profile <name>] [--bug <name>] [--keep-going]

  --seeds       how many schedules to run; default 1000. --from: the first; default 1
  --seed        runs this one only, and prints its trace; --verbose: every step of it
  --profile     the kind of faults; default: by the seed
  --bug         breaks one rule of the protocol, which the checkers should notice
  --keep-going  does not stop at the first violation
`;

const values = parsed();

compile();
const simulation = await import(pathToFileURL(join(cache, 'libs/testing/src/simulation/index.mjs')).href);
const options = {
  ...(values.profile === undefined ? {} : { profile: values.profile }),
  ...(values.bug === undefined ? {} : simulation.bugOptions(values.bug)),
};
process.exitCode = values.seed === undefined ? runMany() : runOne(Number(values.seed));

function parsed() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  let problem;
  try {
    const { values: options } = parseArgs({
      options: {
        seeds: { ...text, default: '1000' },
        from: { ...text, default: '1' },
        ...{ seed: text, profile: text, bug: text, verbose: flag, 'keep-going': flag, help: flag },
      },
    });
    const unclear = ['seeds', 'from', 'seed'].filter((name) => !(Number(options[name] ?? 0) >= 0));
    if (unclear.length > 0) problem = `Not a number: ${unclear.map((name) => `--${name}`).join(', ')}.`;
    else if (!options.help) return options;
  } catch (error) {
    problem = error.message;
  }
  if (problem === undefined) process.stdout.write(USAGE);
  else process.stderr.write(`${problem}\n${USAGE}`);
  process.exit(problem === undefined ? 0 : 2);
}

function runOne(seed) {
  for (const line of simulation.traceSeed(seed, options, values.verbose)) console.log(line);
  const result = simulation.runSeed(seed, options);
  console.log(JSON.stringify(result, null, 1));
  return result.violation === undefined ? 0 : 1;
}

function runMany() {
  const from = Number(values.from);
  const count = Number(values.seeds);
  const startMs = performance.now();
  const sum = { steps: 0, commits: 0, operations: 0, virtualMs: 0, slowestMs: 0 };
  let failures = 0;
  let shownMs = startMs;
  let seed = from;
  for (; seed < from + count; seed += 1) {
    const result = simulation.runSeed(seed, options);
    sum.steps += result.steps;
    sum.commits += result.commits;
    sum.operations += result.operations;
    sum.virtualMs += result.atMs;
    sum.slowestMs = Math.max(sum.slowestMs, result.recoveredAfterMs);
    if (result.violation !== undefined) {
      failures += 1;
      console.log(`seed ${seed}: ${result.violation}\n  ${simulation.replayCommand(result)}`);
      if (!values['keep-going']) {
        const lines = simulation.traceSeed(seed, options);
        for (const line of lines.slice(-60)) console.log(line);
        seed += 1;
        break;
      }
    }
    if (performance.now() - shownMs > 10_000) {
      shownMs = performance.now();
      report(seed + 1 - from);
    }
  }
  report(seed - from);
  return failures === 0 ? 0 : 1;

  function report(done) {
    const seconds = (performance.now() - startMs) / 1000;
    const hours = (sum.virtualMs / 3_600_000).toFixed(1);
    console.log(
      `${done} schedules in ${seconds.toFixed(0)} s (${(done / seconds).toFixed(0)}/s), ${failures} violations; ` +
        `${hours} h simulated, ${sum.steps} steps, ${sum.commits} commits, ${sum.operations} answers, ` +
        `slowest recovery ${(sum.slowestMs / 1000).toFixed(1)} s`,
    );
  }
}

/** Compiles what is newer than its copy in the cache. */
function compile() {
  for (const folder of SOURCES) {
    for (const path of files(join(root, folder))) {
      const target = join(cache, relative(root, path)).replace(/\.ts$/, '.mjs');
      if (existsSync(target) && statSync(target).mtimeMs > statSync(path).mtimeMs) continue;
      const { code } = transformSync(readFileSync(path, 'utf8'), {
        filename: path,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, resolved(code, dirname(target)));
    }
  }
  if (!existsSync(join(cache, SOURCES[0]))) rmSync(cache, { recursive: true, force: true });
}

function resolved(code, folder) {
  return code
    .replace(/(from ['"])@diststore\/([a-z]+)(['"])/g, (_, before, name, after) => {
      const path = relative(folder, join(cache, 'libs', name, 'src/index.mjs'))
        .split(sep)
        .join('/');
      return `${before}${path.startsWith('.') ? path : `./${path}`}${after}`;
    })
    .replace(/(from ['"]\.[^'"]*)\.js(['"])/g, '$1.mjs$2');
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.spec.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
