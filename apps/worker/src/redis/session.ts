/**
 * One connection: decodes commands, starts them in order, and sends their replies in order.
 *
 *   socket ──chunk──► decoder ──request──► start ──► reply at once ─────────────────► queue ──one write──► socket
 *                                            └─────► work under way ──► its place ──►
 *
 * Everything is pulled by `pump`: it takes requests until one must wait, the input is used up, too much is under way,
 * or the turn is over; then it sends what is ready, in one write, and reads on only if it could take more. So a client
 * that sends without reading, or much faster than it is served, is stopped by its own socket.
 *
 * How a command is started, and what it waits for, is command-runner.ts.
 */
import type { Socket } from 'node:net';

import { type ReplyEncoder, RequestDecoder, type RespVersion } from '@diststore/redis';

import { CommandRunner, OCCUPIED } from './command-runner.js';
import type { Arguments, BoundCommand, Connection, RedisPort, ReplyMode } from './implementation.js';
import {
  INCOMPLETE_BYTES_FREE,
  LINGER_MS,
  OUTPUT_PAUSE_BYTES,
  OUTPUT_STALL_MS,
  TURN_MS_MAX,
} from './redis-limits.js';
import { TransactionState } from './transaction-state.js';

export class Session implements Connection {
  // For people, and for CLIENT LIST.
  readonly address: string;
  readonly localAddress: string;
  readonly createdMs: number;
  name = '';
  libName = '';
  libVersion = '';
  noEvict = false;
  noTouch = false;
  readOnly = false;
  lastCommand: BoundCommand | undefined;
  lastActiveMs: number;

  replyMode: ReplyMode = 'on';
  readonly transaction = new TransactionState<BoundCommand>();
  /** Workers that hold the latest write of this connection; undefined before the first. */
  holdersOfLastWrite: number | undefined;

  private readonly decoder: RequestDecoder;
  private readonly runner: CommandRunner;
  /** Decoded, and waiting for what is under way. */
  private held: Arguments | undefined;
  private inputEnded = false;
  /** No further command is started; the connection ends when the replies are sent. */
  private isEnding = false;
  private isClosed = false;
  private isReading = true;
  private turnScheduled = false;
  private countedIncompleteBytes = 0;
  /** When output began to wait for the reader; undefined while none does. */
  private stalledSinceMs: number | undefined;
  private bytesWrittenThen = 0;

  constructor(
    readonly port: RedisPort,
    private readonly socket: Socket,
    readonly id: number,
  ) {
    this.address = addressText(socket.remoteAddress, socket.remotePort);
    this.localAddress = addressText(socket.localAddress, socket.localPort);
    this.createdMs = this.lastActiveMs = performance.now();
    this.decoder = new RequestDecoder(port.requestLimits);
    this.runner = new CommandRunner(this);
    socket.on('data', this.onData);
    socket.on('drain', this.pump);
    socket.on('end', () => {
      this.inputEnded = true;
      this.pump();
    });
    // What went wrong with a client's connection is its own business; `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.onClose());
  }

  get version(): RespVersion {
    return this.runner.version;
  }

  set version(version: RespVersion) {
    this.runner.version = version;
  }

  /** Where the next reply is written. Call once for each. */
  beginReply(): ReplyEncoder {
    return this.runner.beginReply();
  }

  get outputBytes(): number {
    return this.runner.replyBytes + this.socket.writableLength;
  }

  get pendingInputBytes(): number {
    return this.decoder.pendingBytes;
  }

  get pendingCommands(): number {
    return this.runner.pendingCommands;
  }

  get isPaused(): boolean {
    return this.held !== undefined && this.port.pauses.isOn;
  }

  /** Finishes what was received, and closes. */
  drain(): void {
    this.inputEnded = true;
    this.pump();
  }

  /** Starts no further command, and closes when the replies are sent. */
  end(): void {
    this.isEnding = true;
    this.wake();
  }

  /** Closes at once. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Runs on after this turn; for whoever changes what commands wait for. */
  wake(): void {
    if (this.turnScheduled || this.isClosed) return;
    this.turnScheduled = true;
    process.nextTick(this.pump);
  }

  /** Looks whether the reader is stuck, or the client silent. Called every SWEEP_MS. */
  sweep(nowMs: number, idleMs: number): void {
    const { bytesWritten } = this.socket;
    const sentBytes = bytesWritten - this.socket.writableLength;
    if (this.outputBytes === 0 && !this.isEnding) {
      this.stalledSinceMs = undefined;
    } else if (this.stalledSinceMs === undefined || sentBytes !== this.bytesWrittenThen) {
      this.stalledSinceMs = nowMs;
      this.bytesWrittenThen = sentBytes;
    } else if (nowMs - this.stalledSinceMs > (this.isEnding ? LINGER_MS : OUTPUT_STALL_MS)) {
      if (!this.isEnding) this.port.log.warn(`Redis client ${this.address} takes no replies; closed`);
      this.destroy();
      return;
    }
    const isIdle = this.runner.isDone && this.held === undefined;
    if (idleMs > 0 && isIdle && nowMs - this.lastActiveMs > idleMs) this.destroy();
  }

  private readonly onData = (chunk: Buffer): void => {
    this.port.statistics.inputBytes += chunk.length;
    // What comes after the end is read, so that the end arrives, and dropped.
    if (this.isEnding) return;
    this.decoder.push(chunk);
    this.pump();
  };

  private onClose(): void {
    this.isClosed = true;
    this.held = undefined;
    this.transaction.reset();
    this.countIncomplete(0);
    this.port.forget(this);
  }

  /** Does all that can be done now. */
  private readonly pump = (): void => {
    this.turnScheduled = false;
    if (this.isClosed) return;
    let stopped: Stopped;
    do {
      stopped = this.runCommands();
      this.flush();
      // What was full may have gone out at once.
    } while (stopped === 'full' && !this.isFull());
    if (this.socket.destroyed) return;
    const wantsInput = stopped === 'empty';
    this.countIncomplete(this.decoder.pendingBytes);
    if (this.runner.isDone && (this.isEnding || (this.inputEnded && wantsInput))) {
      this.isEnding = true;
      if (this.socket.writable) this.socket.end();
    }
    this.readOn(wantsInput || this.isEnding);
  };

  private readOn(wanted: boolean): void {
    if (wanted === this.isReading) return;
    this.isReading = wanted;
    if (wanted) this.socket.resume();
    else this.socket.pause();
  }

  /** Starts commands in order, and says why it stopped. */
  private runCommands(): Stopped {
    let nowMs = performance.now();
    this.lastActiveMs = nowMs;
    const turnEndMs = nowMs + TURN_MS_MAX;
    while (!this.isEnding && !this.runner.isOccupied) {
      if (this.isFull()) return 'full';
      const args = this.held ?? this.nextRequest();
      if (args === 'incomplete') return 'empty';
      if (args === 'invalid') return 'waiting';
      const startMs = nowMs;
      const started = this.runner.start(args);
      if (started === undefined) {
        this.held = args;
        return 'waiting';
      }
      this.held = undefined;
      nowMs = performance.now();
      if (started !== OCCUPIED) this.port.account(this, started, args, nowMs - startMs);
      if (nowMs > turnEndMs) {
        this.turnScheduled = true;
        setImmediate(this.pump);
        return 'waiting';
      }
    }
    return 'waiting';
  }

  private nextRequest(): Arguments | 'incomplete' | 'invalid' {
    const next = this.decoder.next();
    if (next === undefined) return 'incomplete';
    switch (next.kind) {
      case 'request':
        return next.args;
      case 'protocol-error':
        this.beginReply().error(`ERR ${next.message}`);
        break;
      case 'cross-protocol':
        this.port.log.warn(
          `Redis client ${this.address} sent "${next.word.toUpperCase()}": possibly HTTP from a browser. Connection closed.`,
        );
        break;
    }
    this.port.statistics.protocolErrors += 1;
    this.isEnding = true;
    return 'invalid';
  }

  private isFull(): boolean {
    return this.runner.isFull || this.outputBytes >= OUTPUT_PAUSE_BYTES;
  }

  /** Sends what may be sent, in one write. */
  private flush(): void {
    const chunks = this.runner.takeReplies();
    if (chunks.length === 0) return;
    const { socket } = this;
    for (const { length } of chunks) this.port.statistics.outputBytes += length;
    if (chunks.length === 1) {
      socket.write(chunks[0] as Buffer);
    } else {
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    }
    if (socket.writableLength > this.port.outputBytesMax) {
      this.port.log.warn(
        `Redis client ${this.address} has ${socket.writableLength} bytes of replies unread; closed`,
      );
      this.destroy();
    }
  }

  /** Takes part in the bound on all incomplete requests together. */
  private countIncomplete(pendingBytes: number): void {
    const counted = pendingBytes > INCOMPLETE_BYTES_FREE ? pendingBytes : 0;
    if (counted === this.countedIncompleteBytes) return;
    const grows = counted > this.countedIncompleteBytes;
    const fits = this.port.countIncomplete(counted - this.countedIncompleteBytes);
    this.countedIncompleteBytes = counted;
    if (fits || !grows || this.isEnding) return;
    this.port.log.warn(`Redis client ${this.address} is closed: incomplete requests take too much memory`);
    this.destroy();
  }
}

/** `empty`: everything received was started; `waiting`: for what is under way, or the next turn. */
type Stopped = 'empty' | 'full' | 'waiting';

/** As CLIENT LIST has it: an IPv6 address in brackets. */
function addressText(host = '', port = 0): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
