/**
 * The process's metrics in one Prometheus registry of its own: those of the process and of Node, and those of HTTP.
 * Names follow Prometheus's advice: base units, `_total` for counters. Labels are bounded: routes are patterns, never
 * keys.
 *
 * Other parts of an application register their metrics with `registry`, and what is timed often with `addHistogram`.
 */
import { Inject, Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

import { histogramText } from './duration-tally.js';
import type { DurationSeries, DurationTally } from './duration-tally.js';
import { BUILD_INFO } from './operations.tokens.js';
import type { BuildInfo } from './operations.tokens.js';
import type { RequestObserver, RouteObserver } from './request-observer.js';
import { RequestTally } from './request-tally.js';
import type { ServerGuard } from './server-guard.js';

/** The `code` of requests whose client left before any answer. */
const ABORTED = 'aborted';

@Injectable()
export class Metrics implements RequestObserver {
  readonly registry = new Registry();
  private readonly tallies: RequestTally[] = [];
  private readonly histograms: { name: string; help: string; series: () => DurationSeries[] }[] = [];

  constructor(@Inject(BUILD_INFO) build: BuildInfo) {
    const registers = [this.registry];
    const { tallies } = this;
    collectDefaultMetrics({ register: this.registry });
    this.histograms.push({
      name: 'diststore_http_request_duration_seconds',
      help: "From the end of a request's headers to the last byte of its answer handed to the kernel.",
      series: () =>
        tallies.map(({ route, method, durations }) => ({ labels: { route, method }, tally: durations })),
    });
    new Gauge({
      name: 'diststore_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['name', 'version', 'node'],
      registers,
    }).set({ name: build.name, version: build.version, node: process.version }, 1);
    new Counter({
      name: 'diststore_http_requests_total',
      help: 'Requests by route pattern, method and status; code="aborted" if the client left before any answer.',
      labelNames: ['route', 'method', 'code'],
      registers,
      collect() {
        this.reset();
        for (const { route, method, answers } of tallies) {
          for (const [status, count] of answers) this.inc({ route, method, code: status ?? ABORTED }, count);
        }
      },
    });
  }

  /** Counts the connections of `guard`'s server as well. REQUIRES: called at most once. */
  watchConnections(guard: ServerGuard): void {
    const registers = [this.registry];
    new Gauge({
      name: 'diststore_http_connections',
      help: 'Open HTTP connections, without those that were upgraded.',
      registers,
      collect() {
        this.set(guard.connections);
      },
    });
    new Counter({
      name: 'diststore_http_connections_dropped_total',
      help: 'Connections closed at once because maxConnections were open.',
      registers,
      collect() {
        this.reset();
        this.inc(guard.droppedConnections);
      },
    });
  }

  route(method: string, pattern: string): RouteObserver {
    const tally = new RequestTally(pattern, method);
    this.tallies.push(tally);
    return tally;
  }

  /** REQUIRES: nothing else has this name. */
  addHistogram(name: string, help: string, tally: DurationTally): void {
    this.histograms.push({ name, help, series: () => [{ labels: {}, tally }] });
  }

  /** The media type of `text`. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** Everything in Prometheus's text format. */
  async text(): Promise<string> {
    const histograms = this.histograms.map(({ name, help, series }) => histogramText(name, help, series()));
    return [await this.registry.metrics(), ...histograms].join('\n');
  }
}
