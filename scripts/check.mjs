/** `npm run check`: what takes about a minute on two cores. `-- --only lint,types` runs some of it. */
import { parseArgs } from 'node:util';

import { Failure, interruptible, reportAndExit } from './child.mjs';
import { setUp } from './setup.mjs';
import { CHECKS, runChecks } from './steps.mjs';

async function main() {
  const names = chosen();
  await setUp({ build: false });
  const results = await interruptible(() => runChecks(names, { brief: true }));
  const failed = results.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0) throw new Failure(`Failed: ${failed.join(', ')}`);
}

function chosen() {
  try {
    const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
    const names = only?.split(',') ?? CHECKS;
    const unknown = names.filter((name) => !CHECKS.includes(name));
    if (unknown.length === 0) return names;
    throw new Error(`no such check: ${unknown.join(', ')}`);
  } catch (error) {
    throw new Failure(error.message, { advice: `Usage: npm run check -- --only ${CHECKS.join(',')}` });
  }
}

main().catch(reportAndExit);
