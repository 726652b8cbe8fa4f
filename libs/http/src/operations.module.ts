/** Wires the operations endpoints, and the metrics to the adapter that sees every request. */
import { Inject, Module } from '@nestjs/common';
import type { DynamicModule, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { DirectAdapter } from './direct-adapter.js';
import { DirectCallsModule } from './direct-calls.module.js';
import { Metrics } from './metrics.js';
import { OperationsController } from './operations.controller.js';
import { BUILD_INFO } from './operations.tokens.js';
import type { BuildInfo } from './operations.tokens.js';
import { Readiness } from './readiness.js';

@Module({})
export class OperationsModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  static forRoot(build: BuildInfo): DynamicModule {
    return {
      module: OperationsModule,
      imports: [DirectCallsModule],
      controllers: [OperationsController],
      providers: [{ provide: BUILD_INFO, useValue: build }, Readiness, Metrics],
      exports: [Readiness, Metrics],
    };
  }

  onModuleInit(): void {
    const { httpAdapter } = this.host;
    if (!(httpAdapter instanceof DirectAdapter)) return;
    httpAdapter.observe(this.metrics);
    this.metrics.watchConnections(httpAdapter.guard);
  }
}
