/** An application as a process makes it, with the controllers of one test, listening on any port. */
import type { Server } from 'node:http';

import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';

import { DirectAdapter } from '../src/direct-adapter.js';
import { DirectCallsModule } from '../src/direct-calls.module.js';
import { ProblemFilter } from '../src/problem.filter.js';
import type { HttpLimits } from '../src/server-limits.js';

export interface ProbeApp {
  readonly app: INestApplication;
  readonly server: Server;
  /** What reached the fatal handler. */
  readonly fatal: readonly Error[];
}

export async function startProbe(
  module: ModuleMetadata,
  direct = true,
  limits: Partial<HttpLimits> = {},
): Promise<ProbeApp> {
  const moduleRef = await Test.createTestingModule({
    ...module,
    imports: [...(module.imports ?? []), DirectCallsModule],
  }).compile();
  const app = moduleRef.createNestApplication(new DirectAdapter({ direct, limits }), {
    bodyParser: false,
    logger: false,
  });
  const fatal: Error[] = [];
  app.useGlobalFilters(new ProblemFilter({ onFatal: (error) => fatal.push(error) }));
  await app.listen(0, '127.0.0.1');
  return { app, server: app.getHttpServer() as Server, fatal };
}
