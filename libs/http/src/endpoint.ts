/** A route's handler, and who counts its requests. */
import type { DirectCall } from './direct-call.js';
import type { DirectRequest, DirectResponse } from './direct-request.js';
import type { RequestObserver, RouteObserver } from './request-observer.js';

/** Passes the request on to the next candidate, or hands an error to whoever answers for it. */
export type Next = (error?: unknown) => void;

/** What Nest registers for a route. It settles when the request is answered or passed on. */
export type Handler = (req: DirectRequest, res: DirectResponse, next: Next) => unknown;

export class Endpoint {
  /** Instead of `handle`, where Nest has nothing to do: see direct-call.ts. */
  call: DirectCall | undefined = undefined;
  /** By method, since a GET route answers HEAD too. Asked for once each. */
  private readonly observers = new Map<string, RouteObserver>();

  constructor(
    /** As declared. */
    readonly pattern: string,
    readonly handle: Handler,
  ) {}

  /** Makes the answer of `res` count for this endpoint. Of several calls, the last holds. */
  claim(req: DirectRequest, res: DirectResponse, observer: RequestObserver): void {
    res.observer = this.observerOf(req.method ?? '', observer);
  }

  observerOf(method: string, observer: RequestObserver): RouteObserver {
    let routeObserver = this.observers.get(method);
    if (routeObserver === undefined) {
      routeObserver = observer.route(method, this.pattern);
      this.observers.set(method, routeObserver);
    }
    return routeObserver;
  }
}
