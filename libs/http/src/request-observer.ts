/**
 * What the adapter tells about each answered request, for metrics. The observer of a route is asked for once and
 * kept, so that counting a request looks nothing up.
 */
export interface RequestObserver {
  /** @param pattern of the route as declared, or UNMATCHED. Never anything the client chose, such as a key. */
  route(method: string, pattern: string): RouteObserver;
}

export interface RouteObserver {
  /**
   * Called once for each request, when its answer is with the kernel or its connection is gone.
   * @param status undefined when the client left before any answer.
   */
  answered(status: number | undefined, seconds: number): void;
}

/** The pattern of requests that no route matched. */
export const UNMATCHED = '(unmatched)';
