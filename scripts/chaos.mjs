/**
 * `npm run chaos -- --minutes 5`: a cluster of real processes under load while workers are killed, frozen, wiped and cut
 * off. Then everything that clients were told is checked: no acknowledged write lost, no stale read.
 * `--seed N`, `--workers N`, `--replicas N`, `--partitions N`, `--timing fast`, `--faults kill,freeze`.
 */
import { fileURLToPath } from 'node:url';
import process from 'node:process';

import { interruptible, reportAndExit, run } from './child.mjs';
import { setUp } from './setup.mjs';

const TESTING = fileURLToPath(new URL('../libs/testing/src/', import.meta.url));

async function main() {
  await setUp({ build: true });
  const args = ['--import', `${TESTING}typescript-hooks.mjs`, `${TESTING}chaos/main.ts`];
  const { code } = await interruptible(() => run([...args, ...process.argv.slice(2)], { show: true }));
  process.exitCode = code;
}

main().catch(reportAndExit);
