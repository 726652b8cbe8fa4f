/**
 * Lets the adapter call marked methods directly (direct-call.ts), when nothing global stands before them. An
 * application without this module serves the same answers, slower.
 */
import { Inject, Module } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';

import { DirectAdapter } from './direct-adapter.js';
import { ProblemFilter } from './problem.filter.js';

@Module({})
export class DirectCallsModule implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    // Nest gives it to every module.
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
  ) {}

  /** Nest has registered all routes by now. */
  onModuleInit(): void {
    const { httpAdapter } = this.host;
    const filter = this.onlyFilter();
    if (!(httpAdapter instanceof DirectAdapter) || filter === undefined) return;
    const controllers = [...this.modules.values()].flatMap((module) => [...module.controllers.values()]);
    const lasting = controllers.filter((wrapper) => wrapper.isDependencyTreeStatic());
    httpAdapter.callDirectly(
      lasting.map(({ instance }) => instance),
      filter,
    );
  }

  /** The one filter for all errors, when nothing else is global. */
  private onlyFilter(): ProblemFilter | undefined {
    const { config } = this;
    const others = [
      config.getGlobalGuards(),
      config.getGlobalRequestGuards(),
      config.getGlobalPipes(),
      config.getGlobalRequestPipes(),
      config.getGlobalInterceptors(),
      config.getGlobalRequestInterceptors(),
      config.getGlobalRequestFilters(),
    ];
    const [filter, ...more] = config.getGlobalFilters();
    const isOnly = more.length === 0 && others.every((list) => list.length === 0);
    return isOnly && filter instanceof ProblemFilter ? filter : undefined;
  }
}
