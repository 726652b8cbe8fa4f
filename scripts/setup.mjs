/**
 * Makes a checkout ready: dependencies installed, both apps built. Safe to call at every start: it compares
 * what is there with what should be, which takes milliseconds, and does only what is missing.
 *
 * Whatever interrupts it, the next call repairs: the mark of a finished step is removed before the step begins
 * and comes back at its very end. For the dependencies that mark is npm's own record of what it installed
 * (node_modules/.package-lock.json), so an `npm ci` by hand counts as well; for the build it is a hash of the
 * sources. A lock keeps two set-ups apart.
 *
 * No dependencies here: on a fresh clone there are none yet.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { Failure, interruptible, run, seconds } from './child.mjs';
import { takeLock } from './lock.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

const INSTALLED = 'node_modules/.package-lock.json';
const BUNDLE = 'scripts/bundle.mjs';
const BUILT = 'dist/.sources-hash';
const LOCK = '.setup-lock';

/** @throws Failure with the tool's output and advice. */
export async function setUp({ build = true, folder = root } = {}) {
  checkNode(folder);
  if (isInstalled(folder) && (!build || isBuilt(folder))) return;
  let lock;
  const work = async () => {
    lock = await takeLock(join(folder, LOCK), (pid) =>
      console.log(`Waiting for the set-up of process ${pid} …`),
    );
    // Another process may have done it while this one waited: look again.
    if (!isInstalled(folder)) await install(folder, lock);
    if (build && !isBuilt(folder)) await compile(folder, lock);
  };
  const release = () => lock?.release();
  try {
    await interruptible(work, release);
  } catch (error) {
    throw error.code === undefined
      ? error
      : new Failure(error.message, { advice: adviceFor(error.message, folder) });
  } finally {
    release();
  }
}

function checkNode(folder) {
  const [major, minor] = JSON.parse(read(folder, 'package.json')).engines.node.match(/\d+/g).map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  throw new Failure(`diststore needs Node.js ${major}.${minor} or newer; this is ${process.versions.node}.`, {
    advice: 'Install a current one from https://nodejs.org and run this again.',
  });
}

/** Whether npm's record of node_modules agrees with the lockfile; optional packages may be for other systems. */
export function isInstalled(folder) {
  const wanted = packagesOf(folder, 'package-lock.json');
  const present = packagesOf(folder, INSTALLED);
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional, devOptional }]) => {
    if (path === '') return true;
    const found = present[path];
    if (found === undefined) return optional === true || devOptional === true;
    return found.version === version && found.integrity === integrity;
  });
}

function packagesOf(folder, file) {
  try {
    return JSON.parse(read(folder, file)).packages;
  } catch {
    return undefined; // Missing or cut short: to be installed.
  }
}

async function install(folder, lock) {
  rmSync(join(folder, INSTALLED), { force: true });
  const { command, args } = npm();
  // The tools that build are devDependencies, which NODE_ENV=production would leave out.
  const options = ['ci', '--include=dev', '--no-progress', '--loglevel=error'];
  await step('Installing dependencies (once) …', 'npm could not install the dependencies.', folder, () =>
    run([...args, ...options], { command, cwd: folder, onStart: lock.runs }),
  );
}

/** The very npm that runs this script, or else the one on the path. */
function npm() {
  const cli = process.env.npm_execpath ?? '';
  return /npm-cli\.c?js$/.test(cli) && existsSync(cli) ? { args: [cli] } : { command: 'npm', args: [] };
}

export function isBuilt(folder) {
  const mains = ['master', 'worker'].map((app) => join(folder, `dist/bundle/${app}/src/main.js`));
  return mains.every((main) => existsSync(main)) && buildMark(folder) === sourcesHash(folder);
}

function buildMark(folder) {
  return existsSync(join(folder, BUILT)) ? read(folder, BUILT) : undefined;
}

/** Building one app builds both: they share one compiler configuration. */
async function compile(folder, lock) {
  rmSync(join(folder, BUILT), { force: true });
  const hash = sourcesHash(folder); // Before the build: what is edited meanwhile is built next time.
  const nest = join(folder, 'node_modules/@nestjs/cli/bin/nest.js');
  await step('Building …', 'The build failed.', folder, async () => {
    const options = { cwd: folder, onStart: lock.runs };
    const compiled = await run([nest, 'build', 'master'], options);
    return compiled.code === 0 ? run([join(folder, BUNDLE)], options) : compiled;
  });
  writeFileSync(join(folder, BUILT), hash);
}

/** Of all that the build reads: names and contents, since times change with every checkout. */
function sourcesHash(folder) {
  const files = ['package-lock.json', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json', BUNDLE];
  for (const top of ['apps', 'libs']) {
    for (const entry of readdirSync(join(folder, top), { recursive: true })) {
      if (entry.endsWith('.ts') && !entry.endsWith('.spec.ts')) files.push(join(top, entry));
    }
  }
  const hash = createHash('sha256').update(process.version);
  for (const file of files.sort()) hash.update(`${file}\0`).update(read(folder, file)).update('\0');
  return hash.digest('hex');
}

/** Says what begins, runs it, and says how long it took, or fails with the output and advice. */
async function step(title, failed, folder, action) {
  const startMs = Date.now();
  process.stdout.write(title);
  let result;
  try {
    result = await action();
  } catch (error) {
    result = { code: 1, output: error.code === 'ENOENT' ? 'npm: command not found' : error.message };
  }
  if (result.code === 0) {
    process.stdout.write(` ${seconds(startMs)}\n`);
    return;
  }
  process.stdout.write('\n');
  throw new Failure(failed, { output: result.output, advice: adviceFor(result.output, folder) });
}

/** The first that fits the output. */
function adviceFor(output, folder) {
  const [, advice] = ADVICE.find(([pattern]) => pattern.test(output)) ?? ADVICE.at(-1);
  return advice.replace('FOLDER', folder);
}

const ADVICE = [
  [/npm: command not found/, 'npm is not on the path; it comes with Node.js: https://nodejs.org'],
  [/ENOSPC|no space left/i, 'The disk is full: free some space and run this again.'],
  [/EACCES|EPERM|EROFS/, 'This user may not write in FOLDER: check its owner, and who ran npm there before.'],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT/,
    'The npm registry cannot be reached: check the network and `npm config get registry`, then run this again.',
  ],
  [/EUSAGE/, 'package.json and package-lock.json disagree: run `npm install`, then this again.'],
  [/\bTS\d{4}:/, 'Correct the errors above and run this again.'],
  [/(?:)/, 'If the cause above is not clear: remove node_modules and dist, and run this again.'],
];

function read(folder, file) {
  return readFileSync(join(folder, file), 'utf8');
}
