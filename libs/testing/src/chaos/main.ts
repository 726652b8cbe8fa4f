/**
 * The chaos run as a program, for scripts/chaos.mjs: prints what it does and finds, and exits with 1 when an
 * acknowledged write was lost or a read was wrong.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { Sandbox } from '../sandbox.js';
import { type ChaosReport, faultsFor, runChaos } from './chaos-run.js';
import { measureGaps } from './gap-run.js';
import { type Fault, FAULTS } from './nemesis.js';

const USAGE = `Usage: npm run chaos -- [--minutes <n>] [--seed <n>] [--workers <n>] [--replicas <n>] [--partitions <n>]
                        [--timing default|fast|slow] [--faults <name>,…] [--gaps]

  --minutes     how long faults are made; default 5
  --seed        the same seed makes the same faults and requests; default: another one each time
  --workers     default 5; --replicas default 3; --partitions default 16
  --faults      default: all that so many replicas survive, of ${FAULTS.join(', ')}
  --gaps        instead of random faults: takes each worker away in turn, and measures how long writes stand still
`;

const values = parsed();
const replicas = Number(values.replicas);
const chosen = values.faults?.split(',');

function parsed(): ReturnType<typeof parse> {
  let problem = '';
  try {
    const options = parse();
    const numbers = ['minutes', 'seed', 'workers', 'replicas', 'partitions'] as const;
    const unclear = numbers.filter((name) => !(Number(options[name]) >= 0));
    const strange =
      options.faults?.split(',').filter((name) => !FAULTS.some((fault) => fault === name)) ?? [];
    if (unclear.length > 0) problem = `Not a number: ${unclear.map((name) => `--${name}`).join(', ')}.`;
    if (strange.length > 0) problem = `No such fault: ${strange.join(', ')}.`;
    if (problem === '' && !options.help) return options;
  } catch (error) {
    problem = (error as Error).message;
  }
  if (problem === '') process.stdout.write(USAGE);
  else process.stderr.write(`${problem}\n${USAGE}`);
  process.exit(problem === '' ? 0 : 2);
}

function parse() {
  return parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
      workers: { type: 'string', default: '5' },
      replicas: { type: 'string', default: '3' },
      partitions: { type: 'string', default: '16' },
      timing: { type: 'string', default: 'default' },
      faults: { type: 'string' },
      gaps: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

const cluster = {
  workers: Number(values.workers),
  replicas,
  partitions: Number(values.partitions),
  masterFlags: values.timing === 'default' ? [] : [`--timing=${values.timing}`],
  log: (line: string): void => {
    console.log(line);
  },
};

const sandbox = await Sandbox.open();
try {
  if (values.gaps) {
    const { steps, violations } = await measureGaps(sandbox, cluster);
    console.table(steps);
    for (const { key, problem } of violations) console.log(`${key}: ${problem}`);
    console.log(`violations: ${violations.length}`);
    if (violations.length > 0) process.exitCode = 1;
  } else {
    const report = await runChaos(sandbox, {
      ...cluster,
      seed: Number(values.seed),
      durationMs: Number(values.minutes) * 60_000,
      // Only Linux answers on all of 127.0.0.0/8 without being told.
      faults:
        (chosen as Fault[] | undefined) ?? faultsFor({ replicas, proxied: process.platform === 'linux' }),
    });
    print(report);
    if (report.violations.length > 0) process.exitCode = 1;
  }
} finally {
  await sandbox.close();
}

function print({ history, violations, faults, recoveredAfterMs }: ChaosReport): void {
  console.log(`
operations             ${history.operations}
  writes acknowledged  ${history.acknowledgedWrites}
  outcome unknown      ${history.unknown}
  refused              ${history.failed}
faults                 ${[...faults].map(([name, count]) => `${name} ${count}`).join(', ')}
full service again     ${Math.round(recoveredAfterMs)} ms after the last fault
violations             ${violations.length}`);
  if (violations.length === 0) return;
  for (const { key, problem } of violations.slice(0, 10)) console.log(`  ${key}: ${problem}`);
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'diststore-chaos-')), 'history.ndjson');
  writeFileSync(file, [...history.lines(), ''].join('\n'));
  console.log(`The history is in ${file}.`);
  const faultList = values.faults === undefined ? '' : ` --faults ${values.faults}`;
  console.log(
    `Again: npm run chaos -- --seed ${values.seed} --minutes ${values.minutes} --workers ${values.workers} ` +
      `--replicas ${values.replicas} --partitions ${values.partitions} --timing ${values.timing}${faultList}`,
  );
}
