/** The counts of one route and method: answers by status, and how long they took. */
import { DurationTally } from './duration-tally.js';
import type { RouteObserver } from './request-observer.js';

/** Upper bounds in seconds. From a read of cached data to a request that waits out a failover. */
const DURATION_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class RequestTally implements RouteObserver {
  /** By status; undefined for requests whose client left before any answer. */
  readonly answers = new Map<number | undefined, number>();
  readonly durations = new DurationTally(DURATION_BOUNDS_S);

  constructor(
    readonly route: string,
    readonly method: string,
  ) {}

  answered(status: number | undefined, seconds: number): void {
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
    this.durations.add(seconds);
  }
}
