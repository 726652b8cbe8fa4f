/**
 * The outside of a program: reads its options, starts it, and turns what goes wrong into a message that says what to
 * do and an exit code that tells a supervisor why.
 */
import { EXIT, isStoreError, type StoreError } from '@diststore/base';
import type { Config, Options, OptionTable } from '@diststore/config';
import { parseOptions } from '@diststore/config';

import { Lifecycle } from './lifecycle.js';
import { ProcessLogger } from './process-logger.js';
import type { ProcessConfig } from './process-options.js';
import { releaseYoungGenerationUnderLoad } from './young-generation.js';

export interface Program<C> {
  readonly config: C;
  readonly lifecycle: Lifecycle;
  readonly logger: ProcessLogger;
}

/** Call once, from `main.ts`. Resolves when the program has started, or after it has set the exit code. */
export async function runProgram<O extends Options>(
  table: OptionTable<O>,
  start: (program: Program<Config<O> & ProcessConfig>) => Promise<void>,
): Promise<void> {
  const parsed = parseOptions(table, { argv: process.argv.slice(2), env: process.env });
  if (parsed.kind === 'print') {
    process.stdout.write(parsed.text);
    return;
  }
  if (parsed.kind === 'problems') {
    process.stderr.write(parsed.text);
    process.exitCode = EXIT.usage;
    return;
  }
  const config = parsed.config as Config<O> & ProcessConfig;
  const logger = new ProcessLogger(config);
  for (const warning of parsed.warnings) logger.warn(warning);
  const lifecycle = new Lifecycle(logger, config.stopDeadlineMs);
  lifecycle.install();
  try {
    await start({ config, lifecycle, logger });
    lifecycle.onStopping(releaseYoungGenerationUnderLoad());
  } catch (error) {
    if (isStoreError(error)) logger.error(`${error.message} ${error.kind.remedy}`);
    else logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(isStoreError(error) ? exitCodeOf(error) : EXIT.failure);
  }
}

function exitCodeOf(error: StoreError): number {
  switch (error.code) {
    case 'address-in-use':
      return EXIT.addressInUse;
    case 'store-locked':
      return EXIT.storeLocked;
    case 'store-unusable':
    case 'store-corrupt':
    case 'store-format':
      return EXIT.storeUnusable;
    case 'worker-refused':
      return EXIT.refused;
    default:
      return EXIT.failure;
  }
}
