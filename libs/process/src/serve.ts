/**
 * Creates a Nest application on the direct adapter and makes it listen: what every diststore process does the same
 * way. The application's errors become problem documents, and a broken invariant ends the process.
 */
import type { INestApplication, Type } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StoreError } from '@diststore/base';
import { DirectAdapter, ProblemFilter, Readiness } from '@diststore/http';

import type { ProcessConfig } from './process-options.js';
import type { Program } from './program.js';

/**
 * Builds `module`. What its providers throw while they are built is thrown here.
 * The caller registers what has to be stopped *after* the HTTP server before it calls `listen`.
 */
export async function createApplication(
  module: Type | DynamicModule,
  { config, lifecycle, logger }: Program<ProcessConfig>,
): Promise<INestApplication> {
  const { maxHeaderBytes, maxConnections, requestTimeoutMs, keepAliveTimeoutMs, stopDeadlineMs } = config;
  const adapter = new DirectAdapter({
    limits: {
      maxHeaderBytes,
      maxConnections,
      requestTimeoutMs,
      headersTimeoutMs: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
      keepAliveTimeoutMs,
      drainTimeoutMs: Math.max(1, stopDeadlineMs - DRAIN_MARGIN_MS),
    },
  });
  const app = await NestFactory.create(module, adapter, { logger, bodyParser: false, abortOnError: false });
  app.useGlobalFilters(new ProblemFilter({ onFatal: (error) => lifecycle.fatal(error) }));
  return app;
}

/** Headers are one packet or a few: a client that takes longer is not a slow one but a stuck one. */
const HEADERS_TIMEOUT_MS = 10_000;

/** So that a drain at its deadline still ends before the step that waits for it is given up. */
const DRAIN_MARGIN_MS = 500;

/**
 * Opens the port, and adds the step that drains it.
 * @throws StoreError address-in-use
 */
export async function listen(
  app: INestApplication,
  port: number,
  { config, lifecycle }: Program<ProcessConfig>,
): Promise<void> {
  const { host } = config;
  try {
    await app.listen(port, host);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new StoreError('address-in-use', `Port ${port} on ${host} is taken by another process.`, {
        cause,
        facts: { port },
      });
    }
    if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND') {
      throw new StoreError(
        'bad-parameter',
        `Cannot listen on ${host}, port ${port}: ${(cause as Error).message}.`,
        { cause },
      );
    }
    throw cause;
  }
  // Other steps may come before the server's, a hand-over for example; clients had better look elsewhere already.
  lifecycle.onStopping(() => {
    app.get(Readiness, { strict: false }).drain();
    (app.getHttpAdapter() as unknown as DirectAdapter).guard.sendAway();
  });
  lifecycle.onStop('HTTP server', () => app.close());
}

/** `http://host:port`, with an address that a client on this machine can use. */
export function urlOf(host: string, port: number): string {
  const reachable = reachableHost(host);
  return reachable.includes(':') ? `http://[${reachable}]:${port}` : `http://${reachable}:${port}`;
}

/** Under which others on this machine reach who listens on `host`, which may stand for all addresses. No brackets. */
export function reachableHost(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}
