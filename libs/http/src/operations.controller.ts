/** The endpoints for whoever operates the process: orchestrators, Prometheus, people. None of them needs the store. */
import { Controller, Get, Inject, Query } from '@nestjs/common';

import { Metrics } from './metrics.js';
import { BUILD_INFO } from './operations.tokens.js';
import type { BuildInfo } from './operations.tokens.js';
import { Readiness } from './readiness.js';
import { Reply } from './reply.js';

/** States of a moment. */
const NOT_CACHED = ['Cache-Control', 'no-store'];

@Controller()
export class OperationsController {
  constructor(
    @Inject(BUILD_INFO) private readonly build: BuildInfo,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  /** Alive means: the event loop turns. */
  @Get('livez')
  livez(): Reply {
    return Reply.text(200, 'ok', NOT_CACHED);
  }

  /** `?verbose` lists every check; a failure always does. */
  @Get('readyz')
  readyz(@Query() query: Readonly<Record<string, unknown>>): Reply {
    const { ready, lines } = this.readiness.report();
    if (ready && !('verbose' in query)) return Reply.text(200, 'ok', NOT_CACHED);
    const verdict = ready ? 'readyz check passed' : 'readyz check failed';
    return Reply.text(ready ? 200 : 503, [...lines, verdict, ''].join('\n'), NOT_CACHED);
  }

  @Get('version')
  version(): Reply {
    return Reply.json(200, { name: this.build.name, version: this.build.version, node: process.version });
  }

  @Get('metrics')
  async allMetrics(): Promise<Reply> {
    return new Reply(
      200,
      ['Content-Type', this.metrics.contentType, ...NOT_CACHED],
      await this.metrics.text(),
    );
  }
}
