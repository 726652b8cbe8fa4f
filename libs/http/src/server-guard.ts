/**
 * Holds an HTTP server to its limits, answers on raw sockets what never becomes a request, and closes the server
 * without cutting answers off.
 *
 * Invariants:
 * - A raw answer is never written between the bytes of another answer: it waits for the answers under way before it.
 * - Draining cuts no connection with an answer under way before the deadline, and none stays after it.
 * - Whatever a client sends, the process goes on.
 *
 * Not for the requests themselves: those go to the server's 'request' listener (direct-adapter.ts).
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { invariant } from '@diststore/base';

import { DirectResponse } from './direct-request.js';
import { problem, rawProblem } from './problem.js';
import type { Problem } from './problem.js';
import type { GuardedResponse } from './reply.js';
import { connectionsThatFit } from './server-limits.js';
import type { HttpLimits } from './server-limits.js';

/** Takes over the connection of an Upgrade request. `head` is what the client has sent after the request. */
export type UpgradeHandler = (req: IncomingMessage, socket: Socket, head: Buffer) => void;

/** How often a draining server looks for connections that have come to rest. */
const DRAIN_SWEEP_MS = 20;
/** How long a refused connection stays open for its client to read the answer. */
const REFUSED_LINGER_MS = 1_000;

export interface HttpSocket extends Socket {
  /** Node's: the response whose turn it is on this connection, from its request to its last byte. */
  _httpMessage?: ServerResponse | null;
  /**
   * Node's: what it reads from. Stopping it here, and leaving `reading` as it is, is a pause that Node does not undo:
   * it resumes a socket after every request that it has read whole.
   */
  _handle?: { readonly reading: boolean; readStart(): void; readStop(): void } | null;
  /** Ours: the responses to requests under way, pipelined ones included. */
  underWay?: Set<GuardedResponse>;
  /** Ours: the lane (lane/lane.ts) has an answer under way. */
  isAnswering?: boolean;
}

export class ServerGuard {
  private readonly sockets = new Set<HttpSocket>();
  private readonly refused = new WeakSet<HttpSocket>();
  private readonly upgrades = new Map<string, UpgradeHandler>();
  private drained: Promise<number> | undefined = undefined;
  private leaving = false;
  private readonly leave: (this: GuardedResponse) => void;
  private dropped = 0;

  constructor(
    private readonly server: Server,
    private readonly limits: HttpLimits,
  ) {
    this.leave = function () {
      const { underWay, _handle } = this.req.socket as HttpSocket;
      if (underWay?.delete(this) !== true) return;
      if (underWay.size === limits.maxPipelined && _handle?.reading === true) _handle.readStart();
      this.over?.();
    };
    server.maxConnections = connectionsThatFit(limits.maxConnections);
    server.setTimeout(limits.stallTimeoutMs);
    server.on('connection', (socket: HttpSocket) => {
      this.sockets.add(socket);
      socket.once('close', () => {
        this.sockets.delete(socket);
        closeWaiting(socket);
      });
    });
    server.on('drop', () => this.dropped++);
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      this.onClientError(error, httpSocket(socket));
    });
    server.on('connect', (_req: IncomingMessage, socket) => {
      refuse(httpSocket(socket), problem('bad-request', 'CONNECT is not spoken here: this is no proxy.'));
    });
  }

  /** Connections now, upgraded ones left out. */
  get connections(): number {
    return this.sockets.size;
  }

  /** Connections closed unanswered since the start because there were `maxConnections` already. */
  get droppedConnections(): number {
    return this.dropped;
  }

  /** Whether every answer is to be the last of its connection. */
  get sendsAway(): boolean {
    return this.leaving;
  }

  get draining(): boolean {
    return this.drained !== undefined;
  }

  /**
   * Hands connections that ask for `protocol` in their Upgrade header to `handler`, which owns them from then on:
   * no timeout and no drain touches them; they count for `maxConnections`. A request for any other protocol is
   * served as if it had not asked, if it has no body, and refused if it has one.
   */
  onUpgrade(protocol: string, handler: UpgradeHandler): void {
    // With no listener Node serves every such request as an ordinary one.
    if (this.upgrades.size === 0) {
      this.server.on('upgrade', (req: IncomingMessage, socket, head: Buffer) => {
        this.upgrade(req, httpSocket(socket), head);
      });
    }
    this.upgrades.set(protocol.toLowerCase(), handler);
  }

  /**
   * Counts the request of `res` until its answer is sent or its connection gone. A connection with more than
   * `maxPipelined` is not read from until it has fewer: what its client pipelines waits in the client.
   */
  enter(res: GuardedResponse): void {
    res.guard = this;
    const socket = res.req.socket as HttpSocket;
    const underWay = (socket.underWay ??= new Set());
    underWay.add(res);
    if (underWay.size > this.limits.maxPipelined) socket._handle?.readStop();
    res.on('close', this.leave);
  }

  /** Makes the answer of `res` its connection's last if clients are sent away and nothing else is under way on it. */
  beforeAnswer(res: ServerResponse): void {
    if (this.leaving && (res.req.socket as HttpSocket).underWay?.size === 1) res.shouldKeepAlive = false;
  }

  /**
   * From now on every answer says `Connection: close`, so that a client which has somewhere else to go goes there with
   * its next request. New connections are still taken. Idempotent.
   */
  sendAway(): void {
    this.leaving = true;
  }

  /**
   * Stops accepting, closes idle connections at once, lets requests under way finish, and after `deadlineMs` cuts
   * what is left. Later calls wait for the first. Upgraded connections are their owner's to close.
   * @returns how many connections were cut.
   */
  drain(deadlineMs: number): Promise<number> {
    this.sendAway();
    return (this.drained ??= this.sweepUntil(performance.now() + deadlineMs));
  }

  private sweepUntil(deadlineAtMs: number): Promise<number> {
    // Not http.Server's close: it takes an answer for sent when it is only queued, and so cuts slow readers off.
    NetServer.prototype.close.call(this.server);
    return new Promise((resolve) => {
      const sweep = (): void => {
        const late = performance.now() >= deadlineAtMs;
        const busy = [...this.sockets].filter(isBusy);
        for (const socket of this.sockets) if (late || !isBusy(socket)) socket.destroy();
        if (this.sockets.size > 0 && !late) return;
        clearInterval(timer);
        this.server.close();
        resolve(busy.length);
      };
      const timer = setInterval(sweep, DRAIN_SWEEP_MS);
      sweep();
    });
  }

  private onClientError(error: NodeJS.ErrnoException, socket: HttpSocket): void {
    // Further bytes of a refused connection fail again; the first answer stands.
    if (this.refused.has(socket)) return;
    this.refused.add(socket);
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') socket.destroy();
    else afterAnswers(socket, () => refuse(socket, clientProblem(error, this.limits)));
  }

  private upgrade(req: IncomingMessage, socket: HttpSocket, head: Buffer): void {
    // Node has taken its own listener off; without one, a reset would end the process.
    socket.on('error', () => socket.destroy());
    const protocol = req.headers.upgrade ?? '';
    const handler = this.upgrades.get(protocol.toLowerCase());
    if (handler !== undefined) {
      this.sockets.delete(socket);
      socket.setTimeout(0);
      handler(req, socket, head);
    } else if (
      req.headers['transfer-encoding'] === undefined &&
      Number(req.headers['content-length'] ?? 0) === 0
    ) {
      afterAnswers(socket, () => this.serveOnce(req, socket));
    } else {
      // Its body is no longer parsed, so it cannot be served.
      const detail = `Upgrade: ${protocol} is not spoken here, and a request that asks for it may have no body.`;
      afterAnswers(socket, () => refuse(socket, problem('bad-request', detail)));
    }
  }

  /** Serves a request whose connection Node has let go of, and closes the connection after it. */
  private serveOnce(req: IncomingMessage, socket: HttpSocket): void {
    if (!socket.writable) return;
    const res = new DirectResponse(req);
    res.shouldKeepAlive = false;
    res.assignSocket(socket);
    res.on('finish', () => {
      res.detachSocket(socket);
      socket.destroySoon();
      res.emit('close');
    });
    socket.resume();
    this.server.emit('request', req, res);
  }
}

/** Starts guarding `server`, which must have been created with the `serverOptions` of the same limits. */
export function guardServer(server: Server, limits: HttpLimits): ServerGuard {
  return new ServerGuard(server, limits);
}

/** Node types the connections of a server as any stream; those of a listening one are sockets. */
function httpSocket(stream: Duplex): HttpSocket {
  invariant(stream instanceof Socket, 'an HTTP server is connected to by sockets');
  return stream;
}

function isBusy(socket: HttpSocket): boolean {
  return socket.isAnswering === true || (socket._httpMessage !== undefined && socket._httpMessage !== null);
}

/** Node tells a response of the end of its connection when its turn has come, and none of those that wait for theirs. */
function closeWaiting(socket: HttpSocket): void {
  for (const res of socket.underWay ?? []) {
    if (res.socket !== null) continue;
    res.destroyed = true;
    res.emit('close');
  }
}

/** Calls `then` when the answers to all complete requests of the connection are sent, or it is closed. */
function afterAnswers(socket: HttpSocket, then: () => void): void {
  const current = socket._httpMessage;
  // An incomplete request is the one that failed: its answer is what is about to be written.
  if (current?.req.complete === true) current.once('close', () => afterAnswers(socket, then));
  else then();
}

/** Answers with `about` on the socket itself, and closes it when the client has, or soon. */
function refuse(socket: HttpSocket, about: Problem): void {
  if (!socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.on('error', () => socket.destroy());
  socket.end(rawProblem(about));
  socket.resume();
}

function clientProblem(error: NodeJS.ErrnoException, limits: HttpLimits): Problem {
  switch (error.code ?? '') {
    case 'HPE_HEADER_OVERFLOW':
      return problem(
        'headers-too-large',
        `Request line and headers together may have ${limits.maxHeaderBytes} bytes (maxHeaderBytes).`,
        { limitBytes: limits.maxHeaderBytes, setting: 'maxHeaderBytes' },
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problem(
        'request-timeout',
        `The headers may take ${limits.headersTimeoutMs} ms (headersTimeoutMs), the whole request ` +
          `${limits.requestTimeoutMs} ms (requestTimeoutMs).`,
        { headersTimeoutMs: limits.headersTimeoutMs, requestTimeoutMs: limits.requestTimeoutMs },
      );
    case 'HPE_INVALID_EOF_STATE':
      return problem('incomplete-body', 'The connection ended in the middle of a request.');
    case 'HPE_INVALID_URL':
      return problem(
        'bad-request',
        'The URL holds bytes that must be percent-encoded, such as letters beyond ASCII.',
      );
    default:
      // The parser's own words: fixed sentences, nothing of this process.
      return problem(
        'bad-request',
        error.code?.startsWith('HPE_') ? error.message : 'The request is not valid HTTP.',
      );
  }
}
