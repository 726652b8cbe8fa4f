/**
 * Node's request and response with the few fields that Nest and the adapter read from them, so that no request is
 * decorated, and no prototype swapped, on the direct path. On the Express path Express swaps the prototypes, and the
 * fields below stay.
 *
 * Not for conveniences: what Express adds to `req` and `res` (`res.send`, `req.ip`, …) does not exist here.
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { ParsedUrlQuery } from 'node:querystring';

import { parseQuery } from './query-string.js';
import type { GuardedResponse } from './reply.js';
import type { RouteObserver } from './request-observer.js';
import { queryOf } from './request-target.js';
import { NO_PARAMS } from './route-table.js';
import type { Params } from './route-table.js';

/** A request without its body, for which there is readBody. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** By name in lower case. */
  readonly headers: IncomingHttpHeaders;
}

/** What a method that is called directly (direct-call.ts) may ask of its request. */
export interface CallRequest extends RequestHead {
  /** Decoded path parameters of the matched route. */
  readonly params: Params;
  /** @throws as parseQuery */
  readonly query: ParsedUrlQuery;
}

/** What such a method may ask of its response: the answer is what it returns. */
export interface CallResponse {
  /** The client has gone. */
  readonly destroyed: boolean;
  /** When the answer has left, or the client has. */
  once(event: 'close', listener: () => void): unknown;
}

export class DirectRequest extends IncomingMessage implements CallRequest {
  /** Decoded path parameters of the matched route. */
  params: Params = NO_PARAMS;
  private parsedQuery: ParsedUrlQuery | undefined = undefined;

  /** Parsed at the first use. @throws as parseQuery */
  get query(): ParsedUrlQuery {
    return (this.parsedQuery ??= parseQuery(queryOf(this.url ?? '')));
  }

  /** What Nest shows in its messages. Nothing rewrites `url` on the direct path. */
  get originalUrl(): string {
    return this.url ?? '';
  }
}

/** Generic as its base is, so that it can stand wherever Node asks for a response class. */
export class DirectResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  /** Set when the request begins; see ServerGuard.enter. */
  guard: GuardedResponse['guard'] = undefined;
  /** Set with `startedMs` while somebody observes requests. */
  observer: RouteObserver | undefined = undefined;
  /** Monotonic milliseconds at which the headers of the request were complete. */
  startedMs = 0;
  /** A field, since Express puts another prototype in place of this one. */
  readonly over = reportAnswer;
}

/** Reports the answer to its observer. The guard calls it once, when the answer is sent or its connection gone. */
function reportAnswer(this: DirectResponse): void {
  if (this.observer === undefined) return;
  const seconds = (performance.now() - this.startedMs) / 1_000;
  this.observer.answered(this.headersSent ? this.statusCode : undefined, seconds);
}
