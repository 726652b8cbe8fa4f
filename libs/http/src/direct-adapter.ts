/**
 * The HTTP adapter of an application: Express for everything, and a short cut past it for the routes that a radix
 * tree can hold. A request for one of those goes from the server's 'request' event straight to the handler that Nest
 * made for the route, so guards, pipes, interceptors and exception filters run as ever; Express, which costs several
 * times as much as all of those, does not.
 *
 * Invariants:
 * - Both paths give the same answer. Express only finds candidates: its routes ask the same table before they run,
 *   and every answer is written by the same code. What the table cannot decide (404, 405, a bad encoding) is left to
 *   Express. Requests that come whole to a method that is called directly do not even get here: see lane/lane.ts, which
 *   asks the same table and writes the same answers.
 * - No answer is HTML, and none has a stack.
 *
 * What the short cut leaves out: everything that is installed as Express middleware (`app.use`, `MiddlewareConsumer`,
 * CORS, security headers, CSRF, body parsers, request hooks). REQUIRES: no security rests on those; use guards. The
 * application is created with `bodyParser: false`, and handlers read bodies with `readBody`. A route that only
 * Express can match never hides one that the table can, whichever was declared first.
 *
 * Not for TLS, nor for views: `render` needs Express's response.
 */
import { createServer } from 'node:http';
import type { Server } from 'node:http';

import { Logger, StreamableFile } from '@nestjs/common';
import type { NestApplicationOptions } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';

import { invariant, StoreError } from '@diststore/base';

import { AnswerQueue } from './answer-queue.js';
import { holdContinue } from './body.js';
import { DirectRequest, DirectResponse } from './direct-request.js';
import { callThen, directCallOf, directMarkOf } from './direct-call.js';
import type { DirectCall, DirectMark } from './direct-call.js';
import { Endpoint } from './endpoint.js';
import type { Handler, Next } from './endpoint.js';
import { openLane } from './lane/lane.js';
import type { WholeRequest } from './lane/whole-request.js';
import { problem, problemOf } from './problem.js';
import { answerProblem } from './problem.filter.js';
import type { ProblemFilter } from './problem.filter.js';
import { parseQuery } from './query-string.js';
import { Reply, replyOf, writeReply } from './reply.js';
import { UNMATCHED } from './request-observer.js';
import type { RequestObserver } from './request-observer.js';
import { normalTarget, pathOf } from './request-target.js';
import { paramsOf, RouteTable } from './route-table.js';
import type { Route, TableMethod } from './route-table.js';
import { guardServer } from './server-guard.js';
import type { ServerGuard } from './server-guard.js';
import { DEFAULT_HTTP_LIMITS, serverOptions } from './server-limits.js';
import type { HttpLimits } from './server-limits.js';

export interface DirectAdapterOptions {
  /** False sends every request through Express, for comparing the two. Default true. */
  readonly direct?: boolean;
  /** Defaults: DEFAULT_HTTP_LIMITS. */
  readonly limits?: Partial<HttpLimits>;
}

/** Express, as far as it is used here. */
interface ExpressApp {
  (req: DirectRequest, res: DirectResponse, done: Next): void;
  readonly router: { caseSensitive: boolean };
  readonly [verb: string]: unknown;
}

/** One sentence whatever Express or the table says, so that both paths say the same. */
const BAD_ENCODING = 'A part of the path is not percent-encoded UTF-8.';

export class DirectAdapter extends ExpressAdapter {
  readonly limits: HttpLimits;
  private readonly direct: boolean;
  private readonly table = new RouteTable<Endpoint>();
  /** Counts the requests that no route has claimed. */
  private readonly nowhere = new Endpoint(UNMATCHED, () => undefined);
  private readonly httpLog = new Logger('Http');
  /** Set once by `initHttpServer`, which Nest calls when it creates the application. */
  private serverGuard: ServerGuard | undefined = undefined;
  private observer: RequestObserver | undefined = undefined;
  private readonly answers = new AnswerQueue();
  /** Endpoints whose methods ask to be called directly. */
  private readonly marked: { readonly endpoint: Endpoint; readonly mark: DirectMark }[] = [];
  /** Answers for what direct calls throw. Set before any endpoint has one. */
  private filter: ProblemFilter | undefined = undefined;

  constructor(options: DirectAdapterOptions = {}) {
    super();
    this.limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
    this.direct = options.direct ?? true;
    this.disable('x-powered-by');
    this.set('query parser', parseQuery);
    // The router exists already and reads this whenever a route is added.
    this.express.router.caseSensitive = true;
  }

  /** The guard of this adapter's server. REQUIRES: the application has been created. */
  get guard(): ServerGuard {
    invariant(this.serverGuard !== undefined, 'the application has been created');
    return this.serverGuard;
  }

  /** Tells `observer` about every request from now on. */
  observe(observer: RequestObserver): void {
    this.observer = observer;
  }

  /**
   * From now on calls the marked methods of these controllers without Nest, as far as Nest would do nothing for them.
   * REQUIRES: nothing but `filter` is global, and none of `controllers` is made anew for each request.
   */
  callDirectly(controllers: readonly object[], filter: ProblemFilter): void {
    this.filter = filter;
    for (const { endpoint, mark } of this.marked) {
      const instances = controllers.filter((instance) => Object.getPrototypeOf(instance) === mark.prototype);
      const [instance] = instances;
      if (instance !== undefined && instances.length === 1) endpoint.call = directCallOf(instance, mark);
    }
  }

  override initHttpServer(options: NestApplicationOptions): void {
    invariant(options.httpsOptions === undefined, 'TLS is left to what stands in front of this server');
    const classes = { IncomingMessage: DirectRequest, ServerResponse: DirectResponse };
    const serve = (req: DirectRequest, res: DirectResponse): void => this.serve(req, res);
    const server = createServer({ ...serverOptions(this.limits), ...classes }, serve);
    server.on('checkContinue', (req, res) => {
      holdContinue(req, res);
      serve(req, res);
    });
    // RFC 9110, 10.1.1: an expectation that is not understood may be ignored.
    server.on('checkExpectation', serve);
    this.httpServer = server;
    if (this.direct) this.openLane(server);
    this.serverGuard = guardServer(server, this.limits);
  }

  private openLane(server: Server): void {
    openLane(server, {
      limits: this.limits,
      answers: this.answers,
      sendsAway: () => this.guard.sendsAway,
      endpointFor: (request) => this.endpointOf(request),
      observer: () => this.observer,
      filter: () => this.problems,
    });
  }

  /** Drains for at most `drainTimeoutMs`; see ServerGuard.drain. */
  override async close(): Promise<void> {
    await this.serverGuard?.drain(this.limits.drainTimeoutMs);
  }

  // Routes.

  override get(...args: unknown[]): unknown {
    return this.register('GET', args);
  }

  override head(...args: unknown[]): unknown {
    return this.register('HEAD', args);
  }

  override post(...args: unknown[]): unknown {
    return this.register('POST', args);
  }

  override put(...args: unknown[]): unknown {
    return this.register('PUT', args);
  }

  override patch(...args: unknown[]): unknown {
    return this.register('PATCH', args);
  }

  override delete(...args: unknown[]): unknown {
    return this.register('DELETE', args);
  }

  override options(...args: unknown[]): unknown {
    return this.register('OPTIONS', args);
  }

  /** Wraps Nest's 404: a path that has routes, but none of this method, is a 405. OPTIONS lists its methods. */
  override setNotFoundHandler(handler: Handler, ...rest: [prefix?: string]): unknown {
    const notFound: Handler = (req, res, next) => {
      const allow = this.table.methodsOf(pathOf(req.originalUrl));
      // A method that is listed had a route which passed the request on, for another host for example.
      if (allow.length === 0 || allow.includes(req.method ?? '')) return handler(req, res, next);
      const list = allow.join(', ');
      const refusal = new StoreError('method-not-allowed', `The route has ${list}.`, { facts: { allow } });
      if (req.method === 'OPTIONS') this.reply(res, new Reply(204, ['Allow', list]));
      else next(refusal);
      return undefined;
    };
    return super.setNotFoundHandler(notFound, ...rest);
  }

  // Answers. They use nothing but Node's response, so they are the same on both paths.

  /** Writes what a controller or filter returned: a Reply as it is, a StreamableFile as it comes, see replyOf. */
  override reply(res: DirectResponse, body: unknown, statusCode?: number): void {
    if (body instanceof Reply) {
      this.answers.addReply(res, body);
      return;
    }
    if (statusCode !== undefined) res.statusCode = statusCode;
    if (body instanceof StreamableFile) {
      this.guard.beforeAnswer(res);
      body.setErrorHandler((error) => this.answerUnhandled(error, res));
      super.reply(res, body);
      return;
    }
    writeReply(res, replyOf(res, body));
  }

  override status(res: DirectResponse, statusCode: number): DirectResponse {
    res.statusCode = statusCode;
    return res;
  }

  /** REQUIRES: `url` has only characters that may stand in a header. */
  override redirect(res: DirectResponse, statusCode: number, url: string): void {
    this.reply(res, new Reply(statusCode, ['Location', url]));
  }

  override getHeader(res: DirectResponse, name: string): unknown {
    return res.getHeader(name);
  }

  override setHeader(res: DirectResponse, name: string, value: string): unknown {
    return res.setHeader(name, value);
  }

  override appendHeader(res: DirectResponse, name: string, value: string): unknown {
    return res.appendHeader(name, value);
  }

  /** The Host header without its port. */
  override getRequestHostname(req: DirectRequest): string {
    return (req.headers.host ?? '').replace(/:\d*$/, '');
  }

  override mapException(error: unknown): unknown {
    const isExpressDecoding = error instanceof URIError && 'status' in error;
    return isExpressDecoding ? new StoreError('bad-key-encoding', BAD_ENCODING) : super.mapException(error);
  }

  // Requests.

  private serve(req: DirectRequest, res: DirectResponse): void {
    this.guard.enter(res);
    if (this.observer !== undefined) res.startedMs = performance.now();
    const target = normalTarget(req.url ?? '');
    req.url = target;
    if (req.headers.host === undefined && req.httpVersionMinor === 1 && req.httpVersionMajor === 1) {
      this.claim(req, res, this.nowhere);
      answerProblem(res, problem('bad-request', 'An HTTP/1.1 request needs a Host header.'));
      return;
    }
    const endpoint = this.direct ? this.endpointOf(req) : undefined;
    if (endpoint === undefined) this.passToExpress(req, res);
    else this.handle(req, res, endpoint);
  }

  /** The one that the table leads to, with its parameters set in `req`; undefined when the table cannot decide. */
  private endpointOf(req: DirectRequest | WholeRequest): Endpoint | undefined {
    const found = this.table.find(req.method ?? '', pathOf(req.url ?? ''));
    if (found === undefined) return undefined;
    const params = paramsOf(found.route.pattern, found.raw);
    if (params === undefined) return undefined;
    req.params = params;
    return found.route.handler;
  }

  private handle(req: DirectRequest, res: DirectResponse, endpoint: Endpoint): void {
    this.claim(req, res, endpoint);
    if (endpoint.call !== undefined) {
      this.callMethod(req, res, endpoint.call);
      return;
    }
    const next: Next = (error) => {
      if (error === undefined) this.passToExpress(req, res);
      else this.answerUnhandled(error, res);
    };
    try {
      const outcome = endpoint.handle(req, res, next);
      // Nest's handlers give every error to a filter; this is for a filter that fails itself.
      if (outcome instanceof Promise) outcome.catch((error: unknown) => this.answerUnhandled(error, res));
    } catch (error) {
      this.answerUnhandled(error, res);
    }
  }

  private callMethod(req: DirectRequest, res: DirectResponse, call: DirectCall): void {
    callThen(
      call,
      req,
      res,
      (result) => this.answerResult(result, res),
      (error) => this.answerError(error, res),
    );
  }

  private answerResult(result: unknown, res: DirectResponse): void {
    try {
      this.reply(res, result);
    } catch (error) {
      this.answerError(error, res);
    }
  }

  /** What Nest does with the error of a handler. */
  private answerError(error: unknown, res: DirectResponse): void {
    try {
      this.problems.answer(error, res);
    } catch (failure) {
      this.answerUnhandled(failure, res);
    }
  }

  private get problems(): ProblemFilter {
    invariant(this.filter !== undefined, 'direct calls have a filter');
    return this.filter;
  }

  private passToExpress(req: DirectRequest, res: DirectResponse): void {
    this.claim(req, res, this.nowhere);
    this.express(req, res, (error) => {
      const nobody = new StoreError('route-not-found', 'No route took the request.');
      this.answerUnhandled(error ?? nobody, res);
    });
  }

  /** For what no exception filter took. */
  private answerUnhandled(error: unknown, res: DirectResponse): void {
    const about = problemOf(error);
    if (about.code === 'internal') this.httpLog.error(error instanceof Error ? error.stack : error);
    answerProblem(res, about);
  }

  private register(method: TableMethod, args: unknown[]): unknown {
    const verb = this.express[method.toLowerCase()] as (...args: unknown[]) => unknown;
    const [path, handle] = args;
    if (args.length !== 2 || typeof path !== 'string' || typeof handle !== 'function') {
      return verb.apply(this.express, args);
    }
    const endpoint = new Endpoint(path, handle as Handler);
    const mark = directMarkOf(handle);
    if (mark !== undefined) this.marked.push({ endpoint, mark });
    const route = this.table.add(method, path, endpoint);
    const viaExpress = route === undefined ? this.handlerOf(endpoint) : this.handlerInTable(route);
    return verb.call(this.express, path, viaExpress);
  }

  /** The Express side of a route of the table: runs only where the table leads to the route. */
  private handlerInTable(route: Route<Endpoint>): Handler {
    return (req, res, next) => {
      const found = this.table.find(req.method ?? '', pathOf(req.url ?? ''));
      if (found?.route.key !== route.key) {
        next();
        return undefined;
      }
      const params = paramsOf(route.pattern, found.raw);
      if (params === undefined) {
        next(new StoreError('bad-key-encoding', BAD_ENCODING));
        return undefined;
      }
      req.params = params;
      this.claim(req, res, route.handler);
      return route.handler.handle(req, res, next);
    };
  }

  /** A route that only Express can match. A wildcard's segments, which Express splits, are put together again. */
  private handlerOf(endpoint: Endpoint): Handler {
    return (req, res, next) => {
      const params = req.params as Record<string, string | string[]>;
      for (const [name, value] of Object.entries(params)) {
        if (Array.isArray(value)) params[name] = value.join('/');
      }
      this.claim(req, res, endpoint);
      return endpoint.handle(req, res, next);
    };
  }

  private claim(req: DirectRequest, res: DirectResponse, endpoint: Endpoint): void {
    if (this.observer !== undefined) endpoint.claim(req, res, this.observer);
  }

  private get express(): ExpressApp {
    return this.getInstance<ExpressApp>();
  }
}
