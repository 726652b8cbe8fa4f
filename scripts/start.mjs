/**
 * `npm start`: on a fresh clone it installs and builds, then it runs a master with three workers in this process
 * tree, and Ctrl-C stops all of them. Flags go to the master: `npm start -- --data-dir /srv/diststore --workers=5`.
 */
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

import { reportAndExit } from './child.mjs';
import { root, setUp } from './setup.mjs';

const WORKERS = 3;

async function main() {
  await setUp();
  const master = join(root, 'dist/bundle/master/src/main.js');
  const [node, , ...flags] = process.argv;
  process.argv = [
    node,
    master,
    '--stop-workers',
    ...(saysWorkers(flags) ? [] : [`--workers=${WORKERS}`]),
    ...flags,
  ];
  await import(pathToFileURL(master).href);
}

function saysWorkers(flags) {
  const byFlag = flags.some((flag) => flag === '--workers' || flag.startsWith('--workers='));
  return byFlag || Boolean(process.env.DISTSTORE_WORKERS);
}

main().catch(reportAndExit);
