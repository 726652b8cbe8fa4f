/**
 * The lane for requests that arrive whole and are called directly: most of what a key-value store is asked. Node's
 * parser, its two streams for each request and its timers cost twice as much as all that is left then (measured: a bare
 * `node:http` server takes 32 µs for a PUT, one on `node:net` that reads with WholeRequestReader 15).
 *
 *     connection ──► idle ──a whole request for a direct call──► answering ──► idle …
 *                     │                                              │
 *                     └── anything else: Node has it, for good ◄─────┘ what came meanwhile waits
 *
 * Invariants:
 * - Either the lane reads a connection or Node does. It is handed over between two requests, with every byte that was
 *   not answered, and never comes back.
 * - One request at a time: what comes while an answer is under way is held, one piece of it, and nothing more is read.
 * - An answer is what Node would have written (direct-adapter.spec.ts compares them byte for byte).
 * - The limits of the server hold here too: see `Lane.sweep` and LaneConnection.onTimeout.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import { invariant } from '@diststore/base';

import type { AnswerQueue } from '../answer-queue.js';
import { callThen } from '../direct-call.js';
import type { DirectCall } from '../direct-call.js';
import type { Endpoint } from '../endpoint.js';
import type { ProblemFilter } from '../problem.filter.js';
import { Reply } from '../reply.js';
import type { RequestObserver } from '../request-observer.js';
import type { HttpSocket } from '../server-guard.js';
import type { HttpLimits } from '../server-limits.js';
import { LaneResponse } from './lane-response.js';
import type { Writer } from './lane-response.js';
import { WholeRequestReader } from './whole-request.js';
import type { WholeRequest } from './whole-request.js';

const SWEEP_MS_MAX = 1000;
/** As Node gives: the time of an answer's and a request's ways, since the client counts from when it has the answer. */
const KEEP_ALIVE_GRACE_MS = 1000;
const CLOSE_LINES = 'Connection: close\r\n';

export interface LaneOptions {
  readonly limits: HttpLimits;
  readonly answers: AnswerQueue;
  /** Whether every answer is to be the last of its connection. */
  readonly sendsAway: () => boolean;
  /** With the parameters set in the request. Without a `call`, or undefined: the request is not for here. */
  readonly endpointFor: (request: WholeRequest) => Endpoint | undefined;
  readonly observer: () => RequestObserver | undefined;
  readonly filter: () => ProblemFilter;
}

/** From now on new connections to `server` begin here. REQUIRES: nobody but Node listens for them yet. */
export function openLane(server: Server, options: LaneOptions): void {
  const [listener, ...others] = server.listeners('connection');
  invariant(listener !== undefined && others.length === 0, 'Node alone listens for connections');
  const toNode = listener as (socket: Socket) => void;
  const lane = new Lane(server, toNode, options);
  server.off('connection', toNode);
  server.on('connection', (socket: Socket) => lane.take(socket));
}

class Lane {
  readonly keepAliveLines: string;
  private readonly connections = new Set<LaneConnection>();

  constructor(
    private readonly server: Server,
    private readonly toNode: (socket: Socket) => void,
    readonly options: LaneOptions,
  ) {
    const { keepAliveTimeoutMs, headersTimeoutMs } = options.limits;
    this.keepAliveLines = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1000)}\r\n`;
    const everyMs = Math.min(SWEEP_MS_MAX, Math.ceil(Math.min(keepAliveTimeoutMs, headersTimeoutMs) / 2));
    const timer = setInterval(() => this.sweep(), everyMs).unref();
    server.once('close', () => clearInterval(timer));
  }

  take(socket: Socket): void {
    this.connections.add(new LaneConnection(this, socket));
  }

  forget(connection: LaneConnection): void {
    this.connections.delete(connection);
  }

  /** From here on the connection is Node's, beginning with `bytes`. */
  handOver(connection: LaneConnection, bytes: Buffer): void {
    this.release(connection);
    const { socket } = connection;
    // What is put back into a stream that flows may stay there.
    socket.pause();
    socket.unshift(bytes);
    this.toNode.call(this.server, socket);
    socket.resume();
  }

  private release(connection: LaneConnection): void {
    connection.letGo();
    this.connections.delete(connection);
  }

  /** keepAliveTimeoutMs with its grace and headersTimeoutMs, up to SWEEP_MS_MAX late. */
  private sweep(): void {
    const { keepAliveTimeoutMs, headersTimeoutMs } = this.options.limits;
    const nowMs = performance.now();
    for (const connection of this.connections) {
      const { idleSinceMs, hasServed, socket } = connection;
      if (idleSinceMs === undefined) continue;
      const idleMs = nowMs - idleSinceMs;
      if (hasServed) {
        if (idleMs > keepAliveTimeoutMs + KEEP_ALIVE_GRACE_MS) socket.destroy();
      } else if (idleMs > headersTimeoutMs) {
        this.release(connection);
        const late = Object.assign(new Error('No request came.'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
        this.server.emit('clientError', late, socket);
      }
    }
  }
}

class LaneConnection implements Writer {
  /** Undefined while an answer is under way. */
  idleSinceMs: number | undefined = performance.now();
  hasServed = false;
  private readonly reader: WholeRequestReader;
  private response: LaneResponse | undefined = undefined;
  /** What arrived during the answer. */
  private held: Buffer | undefined = undefined;
  /** Nothing more will come. */
  private isEnded = false;
  /** What the answer under way says. */
  private closes = false;

  constructor(
    private readonly lane: Lane,
    readonly socket: HttpSocket,
  ) {
    this.reader = new WholeRequestReader(lane.options.limits.maxHeaderBytes);
    socket.on('data', this.onData).on('end', this.onEnd).on('close', this.onClose);
    socket.on('error', this.onError).on('timeout', this.onTimeout);
    socket.setTimeout(lane.options.limits.stallTimeoutMs);
  }

  /** Listens no more. */
  letGo(): void {
    const { socket } = this;
    socket.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose);
    socket.off('error', this.onError).off('timeout', this.onTimeout);
  }

  private readonly onData = (bytes: Buffer): void => {
    if (this.response !== undefined) {
      // The second piece there never is: nothing comes from a connection that is not read.
      this.held = this.held === undefined ? bytes : Buffer.concat([this.held, bytes]);
      // Not `pause`: that reads on, and would tell of the end of the connection before what is held was answered.
      this.socket._handle?.readStop();
      return;
    }
    const request = this.reader.read(bytes);
    const endpoint = request === undefined ? undefined : this.lane.options.endpointFor(request);
    if (request === undefined || endpoint?.call === undefined) {
      this.lane.handOver(this, bytes);
      return;
    }
    const { method } = request;
    const observer = this.lane.options.observer();
    const routeObserver = observer === undefined ? undefined : endpoint.observerOf(method, observer);
    this.serve(request, endpoint.call, new LaneResponse(this, method === 'HEAD', routeObserver));
  };

  private serve(request: WholeRequest, call: DirectCall, response: LaneResponse): void {
    this.response = response;
    this.idleSinceMs = undefined;
    this.hasServed = true;
    this.socket.isAnswering = true;
    callThen(call, request, response, this.onResult, this.onFailure);
  }

  /** Of the one request under way. Its connection may be gone, after which there is no other. */
  private readonly onResult = (result: unknown): void => {
    const { response } = this;
    if (response === undefined) return;
    try {
      invariant(result instanceof Reply, 'a method that is called directly returns a Reply');
      this.set(response, result);
    } catch (error) {
      this.onFailure(error);
      return;
    }
    this.lane.options.answers.add(response);
  };

  /** At once, and not with the others: these may be the last words of the process. */
  private readonly onFailure = (error: unknown): void => {
    const { response } = this;
    const filter = this.lane.options.filter();
    const reply = filter.replyTo(error);
    if (response !== undefined) {
      this.set(response, reply);
      response.send();
    }
    filter.answered(error);
  };

  private set(response: LaneResponse, reply: Reply): void {
    // What is held has come, so it is answered too.
    this.closes = this.isEnded || (this.held === undefined && this.lane.options.sendsAway());
    response.set(reply, this.closes ? CLOSE_LINES : this.lane.keepAliveLines);
  }

  written(): void {
    // A client that does not read costs one answer. Not 'drain', which is not told of a few bytes.
    if (this.socket.writableLength > 0) this.socket.write('', this.onSent);
    else this.onSent();
  }

  private readonly onSent = (): void => {
    // What is left to do is onClose's.
    if (this.socket.destroyed) return;
    const nowMs = performance.now();
    this.finish(nowMs);
    if (this.closes || this.isEnded) {
      this.socket.destroySoon();
      return;
    }
    this.idleSinceMs = nowMs;
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    this.socket._handle?.readStart();
    this.onData(held);
  };

  private finish(nowMs: number): void {
    const { response } = this;
    this.response = undefined;
    this.socket.isAnswering = false;
    response?.over(nowMs);
  }

  private readonly onEnd = (): void => {
    this.isEnded = true;
    if (this.response === undefined) this.socket.end();
  };

  private readonly onClose = (): void => {
    this.lane.forget(this);
    this.finish(performance.now());
  };

  private readonly onError = (): void => {
    this.socket.destroy();
  };

  /** stallTimeoutMs without a byte. A connection that is idle is the sweep's to close. */
  private readonly onTimeout = (): void => {
    if (this.response !== undefined) this.socket.destroy();
  };
}
