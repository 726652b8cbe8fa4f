/**
 * `npm test`: sets up, runs every check and unit test, then the end-to-end tests, which one after the other start
 * real clusters on the documented ports. Arguments go to Jest, and then only Jest runs: `npm test -- -t failover`.
 *
 * The last line is the sum over all Jest runs, `N passed, N failed` and, if any, `, N skipped`; a check that failed
 * counts as one failure. The exit code is 0 only when nothing failed.
 */
import process from 'node:process';

import { interruptible, reportAndExit } from './child.mjs';
import { setUp } from './setup.mjs';
import { CHECKS, jest, runChecks } from './steps.mjs';

async function main() {
  await setUp();
  const results = await interruptible(() => runTests(process.argv.slice(2)));
  const failed = results.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0) console.log(`Failed: ${failed.join(', ')}`);
  const sum = (kind) => results.reduce((total, result) => total + result[kind], 0);
  const skipped = sum('skipped') === 0 ? '' : `, ${sum('skipped')} skipped`;
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

async function runTests(args) {
  if (args.length > 0) return [await jest('jest', args, { show: true })];
  const checks = await runChecks(CHECKS);
  console.log('End-to-end tests …');
  return [...checks, await jest('e2e', ['--selectProjects=e2e', '--runInBand'], { show: true })];
}

main().catch(reportAndExit);
