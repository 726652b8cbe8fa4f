/**
 * Nest's console logger, as text for people or JSON for machines, without Nest's own chatter: which routes are mapped
 * interests nobody at every start, so that is shown at the level `debug` only.
 */
import { ConsoleLogger } from '@nestjs/common';

import type { ProcessConfig } from './process-options.js';

const LEVELS = ['fatal', 'error', 'warn', 'log', 'debug'] as const;

const FRAMEWORK_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** What fails while the application is built or begins to listen. The program (program.ts) reports it, once. */
const THROWN_AS_WELL = new Set(['ExceptionHandler', 'NestApplication']);

export class ProcessLogger extends ConsoleLogger {
  constructor({ logFormat, logLevel }: Pick<ProcessConfig, 'logFormat' | 'logLevel'>) {
    super({
      prefix: 'diststore',
      json: logFormat === 'json',
      // Node leaves isTTY undefined, not false, on a pipe or file.
      colors: logFormat === 'text' && (process.stdout as { isTTY?: boolean }).isTTY === true,
      logLevels: LEVELS.slice(0, LEVELS.indexOf(logLevel) + 1),
    });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && FRAMEWORK_CONTEXTS.has(context)) this.debug(message, ...rest);
    else super.log(message, ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && THROWN_AS_WELL.has(context)) this.debug(message, ...rest);
    else super.error(message, ...rest);
  }
}
