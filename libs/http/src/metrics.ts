/**
 * The process's metrics in one Prometheus registry of its own: those of the process and of Node, and those of HTTP.
 * Names follow Prometheus's advice: base units, `_total` for counters.
 *
 * Labels are bounded: routes are patterns, never keys. Each route's children are resolved once, so that counting a
 * request costs two updates.
 */
import { Inject, Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

import { BUILD_INFO } from './operations.tokens.js';
import type { BuildInfo } from './operations.tokens.js';
import type { RequestObserver, RouteObserver } from './request-observer.js';
import type { ServerGuard } from './server-guard.js';

/** Seconds. From a read of cached data to a request that waits out a failover. */
const DURATION_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** The `code` of requests whose client left before any answer. */
const ABORTED = 'aborted';

@Injectable()
export class Metrics implements RequestObserver {
  readonly registry = new Registry();
  private readonly requests: Counter<'route' | 'method' | 'code'>;
  private readonly durations: Histogram<'route' | 'method'>;

  constructor(@Inject(BUILD_INFO) build: BuildInfo) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Counter({
      name: 'diststore_http_requests_total',
      help: 'Requests answered, by route pattern, method and status; code="aborted" if the client left before.',
      labelNames: ['route', 'method', 'code'],
      registers,
    });
    this.durations = new Histogram({
      name: 'diststore_http_request_duration_seconds',
      help: "From the end of a request's headers to the last byte of its answer handed to the kernel.",
      labelNames: ['route', 'method'],
      buckets: DURATION_BUCKETS_S,
      registers,
    });
    new Gauge({
      name: 'diststore_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['name', 'version', 'node'],
      registers,
    }).set({ name: build.name, version: build.version, node: process.version }, 1);
  }

  /** Counts the connections of `guard`'s server. REQUIRES: called at most once. */
  watchConnections(guard: ServerGuard): void {
    const registers = [this.registry];
    new Gauge({
      name: 'diststore_http_connections',
      help: 'Open HTTP connections, without those that were upgraded.',
      registers,
      collect(): void {
        this.set(guard.connections);
      },
    });
    let seen = 0;
    new Counter({
      name: 'diststore_http_connections_dropped_total',
      help: 'Connections closed at once because maxConnections were open.',
      registers,
      collect(): void {
        this.inc(guard.droppedConnections - seen);
        seen = guard.droppedConnections;
      },
    });
  }

  route(method: string, pattern: string): RouteObserver {
    const duration = this.durations.labels(pattern, method);
    const byStatus = new Map<number | undefined, Counter.Internal>();
    return {
      answered: (status, seconds) => {
        let count = byStatus.get(status);
        if (count === undefined) {
          count = this.requests.labels(pattern, method, status === undefined ? ABORTED : status.toString());
          byStatus.set(status, count);
        }
        count.inc();
        duration.observe(seconds);
      },
    };
  }

  /** Everything in Prometheus's text format. */
  async text(): Promise<{ type: string; body: string }> {
    return { type: this.registry.contentType, body: await this.registry.metrics() };
  }
}
