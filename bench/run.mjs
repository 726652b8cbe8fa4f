/**
 * `npm run bench`: what diststore costs and gains beside other servers on the same machine, as ratios taken in one run.
 * Absolute numbers depend on the machine and on what else it does; ratios travel.
 *
 * It exits with 0 whether or not the targets are met: a benchmark on a busy machine must fail no build. It fails when
 * something broke: a server that did not start, a request that was not answered with success.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { Failure, reportAndExit, seconds } from '../scripts/child.mjs';
import { root, setUp } from '../scripts/setup.mjs';
import { machine, twoCores } from './machine.mjs';
import { legend, outcome, table } from './report.mjs';
import { measureRow } from './rounds.mjs';
import { ROWS } from './rows/index.mjs';
import { Stage } from './stage.mjs';
import { missingTools } from './tools.mjs';
import { CONNECTIONS, KEYS, VALUE } from './workload.mjs';

/** How much is measured. `quick` shows that everything runs and roughly where it stands; it is not to be quoted. */
const SETTINGS = {
  full: {
    keys: KEYS,
    warmUpRequests: 5000,
    rounds: 15,
    warmUpMs: 100,
    roundMs: 500,
    storeRoundMs: 250,
    redisRequests: 20_000,
    starts: 3,
    settleMs: 8000,
  },
  quick: {
    keys: 5000,
    warmUpRequests: 2000,
    rounds: 2,
    warmUpMs: 50,
    roundMs: 200,
    storeRoundMs: 200,
    redisRequests: 2000,
    starts: 1,
    settleMs: 500,
  },
};

const USAGE = `Usage: npm run bench -- [--quick] [--only <name>,…] [--json <file>] [--data-dir <folder>] [--list]

  --quick      about half a minute instead of four: fewer keys, fewer and shorter rounds
  --only       these rows, or all rows of these suites, only
  --json       also write every sample to this file
  --data-dir   where the data is kept meanwhile; default ./data, as for npm start, not the system's
               temporary folder, which may be in memory, where an fsync costs nothing
  --list       name the rows and their suites
`;

async function main() {
  const options = parsed();
  if (options.help) process.stdout.write(USAGE);
  else if (options.list)
    for (const { name, suite, title } of ROWS) console.log(`${suite.padEnd(8)} ${name.padEnd(14)} ${title}`);
  else await bench(options);
}

function parsed() {
  const flags = ['quick', 'list', 'help'].map((name) => [name, { type: 'boolean' }]);
  const values = ['only', 'json', 'data-dir'].map((name) => [name, { type: 'string' }]);
  try {
    const options = parseArgs({ options: Object.fromEntries([...flags, ...values]) }).values;
    const only = options.only?.split(',') ?? ROWS.map(({ name }) => name);
    const isOf = (row, name) => row.name === name || row.suite === name;
    const unknown = only.filter((name) => !ROWS.some((row) => isOf(row, name)));
    if (unknown.length > 0) throw new Error(`no such row or suite: ${unknown.join(', ')}`);
    return { ...options, rows: ROWS.filter((row) => only.some((name) => isOf(row, name))) };
  } catch (error) {
    throw new Failure(error.message, { advice: USAGE });
  }
}

async function bench({ rows, quick, json, 'data-dir': dataDir = join(root, 'data') }) {
  await setUp();
  const startMs = Date.now();
  const settings = quick ? SETTINGS.quick : SETTINGS.full;
  const cores = twoCores();
  const folder = new RunFolder(resolve(dataDir));
  let stage;
  const closeAll = async () => {
    await stage?.close();
    folder.remove();
  };
  const stopping = closeOnSignal(closeAll);
  const done = [];
  try {
    const about = machine(folder.path);
    for (const row of rows) {
      const missing = missingTools(row.tools ?? []);
      if (missing.length > 0) {
        console.log(`${row.name}: skipped, ${missing.join(' and ')} not on the PATH`);
        continue;
      }
      stage = new Stage(folder.path, settings, cores);
      done.push(await measured(row, stage));
      await stage.close();
    }
    if (done.length > 0) report({ about, cores, settings, rows: done, json });
    console.log(`Took ${seconds(startMs)}.`);
  } finally {
    // While stopping, the failures of stopped programs are no news: the signal's handler ends the process.
    if (stopping()) await new Promise(() => undefined);
    await closeAll();
  }
}

/** Says which row is measured, and what it has shown. */
async function measured(row, stage) {
  const { name, title, unit } = row;
  process.stdout.write(`${name} …`);
  const startMs = Date.now();
  const results = await measureRow(row, stage);
  process.stdout.write(` ${outcome({ unit, results })} (${seconds(startMs)})\n`);
  return { name, title, unit, results };
}

function report({ about, cores, settings, rows, json }) {
  const flags = process.argv.slice(2);
  const command = ['npm run bench', ...(flags.length > 0 ? ['--', ...flags] : [])].join(' ');
  console.log(
    ['', table(rows), '', legend(rows), circumstances({ about, cores, settings, command })].join('\n'),
  );
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ command, machine: about, cores, settings, rows }, null, 2)}\n`);
  }
}

function circumstances({ about, cores, settings, command }) {
  const { cpu, memoryGiB, system, node, fsyncMs, loadAverage } = about;
  const pinning =
    cores === undefined
      ? 'Nothing is pinned to a core here, so servers and load take from each other.'
      : `Servers on core ${cores.server}, load on core ${cores.load}.`;
  return [
    `${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}; an fsync takes ${fsyncMs.toFixed(2)} ms; load average before ${loadAverage.toFixed(1)}.`,
    `${settings.keys.toLocaleString('en')} keys, values of ${VALUE.length} bytes, ${CONNECTIONS} connections, ${settings.rounds} rounds of ${settings.roundMs} ms. ${pinning}`,
    `Command: ${command}`,
  ].join('\n');
}

/** A new folder inside `parent`, which is made if it is missing, and then goes as well. */
class RunFolder {
  #made;

  constructor(parent) {
    const firstMade = mkdirSync(parent, { recursive: true });
    this.path = mkdtempSync(join(parent, 'bench-'));
    this.#made = firstMade ?? this.path;
  }

  remove() {
    rmSync(this.#made, { recursive: true, force: true });
  }
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** From now on a signal closes everything and exits with the code that shells expect. @returns whether one came. */
function closeOnSignal(close) {
  let came = false;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      came = true;
      void close().then(() => process.exit(code));
    });
  }
  return () => came;
}

main().catch(reportAndExit);
