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
 * A request must wait for those before it when it depends on them: see in-flight.ts. Commands about the connection or
 * the whole server wait for all of them.
 */
import type { Socket } from 'node:net';

import type { Result, StoredValue } from '@diststore/data';
import {
  errorReply,
  type ErrorReply,
  keysOf,
  ReplyEncoder,
  RequestDecoder,
  type RespVersion,
  wrongArityError,
} from '@diststore/redis';

import { performMany, performOne, readMany } from './data-commands.js';
import { errorReplyOf, failureReply } from './error-replies.js';
import type {
  Arguments,
  BoundCommand,
  ReadMany,
  ReadOne,
  Special,
  WriteMany,
  WriteOne,
} from './implementation.js';
import { InFlight, type Use } from './in-flight.js';
import {
  INCOMPLETE_BYTES_FREE,
  LINGER_MS,
  OUTPUT_PAUSE_BYTES,
  OUTPUT_STALL_MS,
  PENDING_BYTES_MAX,
  PENDING_COMMANDS_MAX,
  PENDING_READS_MAX,
  TURN_MS_MAX,
} from './redis-limits.js';
import type { RedisServer } from './redis-server.js';
import { ReplyQueue } from './reply-queue.js';
import { TransactionState } from './transaction-state.js';

/** CLIENT REPLY. `skip`: the next reply is not sent. */
export type ReplyMode = 'on' | 'off' | 'skip';

const QUEUE_FULL_ERROR = errorReply('ERR too many commands, or too large ones, in one MULTI');
const NO_NAMES: readonly string[] = [];

export class Session {
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
  readonly transaction = new TransactionState();
  /** Workers that hold the latest write of this connection; undefined before the first. */
  holdersOfLastWrite: number | undefined;

  private readonly decoder: RequestDecoder;
  private readonly queue = new ReplyQueue();
  private readonly discarded = new ReplyEncoder();
  private readonly inFlight = new InFlight();
  /** Decoded, and waiting for what is under way. */
  private held: Arguments | undefined;
  /** A special command that is under way: nothing starts before it has ended. */
  private isOccupied = false;
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
    readonly server: RedisServer,
    private readonly socket: Socket,
    readonly id: number,
  ) {
    this.address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    this.localAddress = `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`;
    this.createdMs = this.lastActiveMs = performance.now();
    this.decoder = new RequestDecoder(server.requestLimits);
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
    return this.queue.version;
  }

  set version(version: RespVersion) {
    this.queue.version = version;
    this.discarded.version = version;
  }

  get outputBytes(): number {
    return this.queue.byteLength + this.socket.writableLength;
  }

  get pendingInputBytes(): number {
    return this.decoder.pendingBytes;
  }

  get pendingCommands(): number {
    return this.inFlight.count;
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
      if (!this.isEnding) this.server.log.warn(`Redis client ${this.address} takes no replies; closed`);
      this.destroy();
      return;
    }
    const isIdle = this.inFlight.count === 0 && !this.isOccupied && this.held === undefined;
    if (idleMs > 0 && isIdle && nowMs - this.lastActiveMs > idleMs) this.destroy();
  }

  private readonly onData = (chunk: Buffer): void => {
    this.server.statistics.inputBytes += chunk.length;
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
    this.server.forget(this);
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
    if (this.isClosed) return;
    const wantsInput = stopped === 'empty';
    this.countIncomplete(this.decoder.pendingBytes);
    const isDone = this.queue.waiting === 0 && !this.isOccupied;
    if (isDone && (this.isEnding || (this.inputEnded && wantsInput))) {
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
    while (!this.isEnding && !this.isOccupied) {
      if (this.isFull()) return 'full';
      const args = this.held ?? this.nextRequest();
      if (args === undefined) return this.isEnding ? 'waiting' : 'empty';
      const startMs = nowMs;
      const started = this.start(args);
      if (started === undefined) {
        this.held = args;
        return 'waiting';
      }
      this.held = undefined;
      nowMs = performance.now();
      if (started !== OCCUPIED) this.server.account(this, started, args, nowMs - startMs);
      if (nowMs > turnEndMs) {
        this.turnScheduled = true;
        setImmediate(this.pump);
        return 'waiting';
      }
    }
    return 'waiting';
  }

  private nextRequest(): Arguments | undefined {
    const next = this.decoder.next();
    if (next === undefined) return undefined;
    switch (next.kind) {
      case 'request':
        return next.args;
      case 'protocol-error':
        this.queue.tail.error(`ERR ${next.message}`);
        break;
      case 'cross-protocol':
        this.server.log.warn(
          `Redis client ${this.address} sent "${next.word.toUpperCase()}": possibly HTTP from a browser. Connection closed.`,
        );
        break;
    }
    this.server.statistics.protocolErrors += 1;
    this.isEnding = true;
    return undefined;
  }

  private isFull(): boolean {
    return (
      this.inFlight.count >= PENDING_COMMANDS_MAX ||
      this.inFlight.bytes >= PENDING_BYTES_MAX ||
      this.outputBytes >= OUTPUT_PAUSE_BYTES
    );
  }

  /** Starts a command. Answers what was started, and undefined if it must wait: nothing has happened then. */
  private start(args: Arguments): Started {
    const bound = this.server.commands.resolve(args);
    if ('kind' in bound) {
      this.transaction.isBroken = this.transaction.isOpen;
      this.beginReply().error(bound.text);
      return bound;
    }
    if (this.server.pauses.holds(bound, this.transaction)) return undefined;
    const { implementation } = bound;
    if (
      this.transaction.isOpen &&
      (implementation.kind !== 'special' || implementation.inMulti !== 'at-once')
    )
      return this.enqueue(bound, args);
    switch (implementation.kind) {
      case 'read':
        return this.startRead(bound, implementation, args);
      case 'write':
        return this.startWrite(bound, implementation, args);
      case 'read-many':
      case 'write-many':
        return this.startMany(bound, implementation, args);
      case 'special':
        return this.startSpecial(bound, implementation, args);
    }
  }

  private startRead(bound: BoundCommand, { reply }: ReadOne, args: Arguments): Started {
    const key = args[bound.command.singleKeyIndex] as Buffer;
    let names = NO_NAMES;
    if (this.inFlight.count > 0) {
      names = [nameOf(key)];
      if (this.inFlight.reads >= PENDING_READS_MAX || !this.inFlight.admits(names, false, true))
        return undefined;
    }
    const redirection = this.server.redirectionOf(key);
    if (redirection !== undefined) return this.answer(bound, redirection);
    try {
      const found = this.server.keyspace.get(key);
      if (!(found instanceof Promise)) {
        this.server.statistics.countRead(found.record !== undefined);
        reply(found.record, args, this.beginReply(), this.server.context);
        return bound;
      }
      if (names === NO_NAMES) names = [nameOf(key)];
      return this.defer(
        bound,
        { names, isWrite: false, isHere: false, bytes: 0 },
        found,
        ({ record }, out) => {
          this.server.statistics.countRead(record !== undefined);
          reply(record, args, out, this.server.context);
        },
      );
    } catch (error) {
      return this.answer(bound, this.replyOf(error));
    }
  }

  private startWrite(bound: BoundCommand, { operation: build, reply }: WriteOne, args: Arguments): Started {
    const { server } = this;
    const keys = keysOf(bound.command, args) as Buffer[];
    const use = this.useOf(keys, true, args);
    if (use === undefined) return undefined;
    const redirection = server.crossSlotErrorOf(keys) ?? server.redirectionOf(keys[0] as Buffer);
    if (redirection !== undefined) return this.answer(bound, redirection);
    const operation = build(args, server.context);
    if ('kind' in operation) return this.answer(bound, operation);
    const write = (result: Result, out: ReplyEncoder): void => {
      if (result.type === 'failed') out.error(failureReply(result.reason).text);
      else reply(result, args, out, server.context);
    };
    try {
      const done = performOne(server.keyspace, operation);
      if (!(done instanceof Promise)) {
        write(done.result, this.beginReply());
        return bound;
      }
      return this.defer(bound, use, done, ({ result, replicas }, out) => {
        if (operation.type !== 'get') this.holdersOfLastWrite = replicas.length;
        write(result, out);
      });
    } catch (error) {
      return this.answer(bound, this.replyOf(error));
    }
  }

  private startMany(bound: BoundCommand, implementation: ReadMany | WriteMany, args: Arguments): Started {
    const { server } = this;
    const keys = keysOf(bound.command, args);
    const isWrite = implementation.kind === 'write-many';
    // MSET with a key too many: the description of its keys does not fit.
    if (keys === undefined || keys.length === 0)
      return this.answer(bound, wrongArityError(bound.command.fullName));
    const use = this.useOf(keys, isWrite, args);
    if (use === undefined) return undefined;
    const redirection = server.redirectionOfAll(keys);
    if (redirection !== undefined) return this.answer(bound, redirection);
    try {
      if (implementation.kind === 'read-many') {
        const refused = implementation.check?.(args);
        if (refused !== undefined) return this.answer(bound, refused);
        const records = readMany(server.keyspace, keys);
        const write = (found: readonly (StoredValue | undefined)[], out: ReplyEncoder): void => {
          for (const record of found) server.statistics.countRead(record !== undefined);
          implementation.reply(found, args, out);
        };
        if (records instanceof Promise) return this.defer(bound, use, records, write);
        write(records, this.beginReply());
        return bound;
      }
      const operations = implementation.operations(args, server.context);
      if ('kind' in operations) return this.answer(bound, operations);
      const work = performMany(server.keyspace, operations, server.context.maxValueBytes);
      return this.defer(bound, use, work, ({ results, replicas }, out) => {
        this.holdersOfLastWrite = replicas ?? this.holdersOfLastWrite;
        const failed = results.find((result) => result.type === 'failed');
        if (failed?.type === 'failed') out.error(failureReply(failed.reason).text);
        else implementation.reply(results, args, out);
      });
    } catch (error) {
      return this.answer(bound, this.replyOf(error));
    }
  }

  private startSpecial(bound: BoundCommand, special: Special, args: Arguments): Started {
    if (special.overlaps !== true && (this.inFlight.count > 0 || this.queue.waiting > 0)) return undefined;
    const out = this.beginReply();
    this.lastCommand = bound;
    try {
      const work = special.run(this, args, out);
      if (work === undefined) return bound;
      this.isOccupied = true;
      const startMs = performance.now();
      const finish = (): void => {
        this.isOccupied = false;
        this.server.account(this, bound, args, performance.now() - startMs);
        this.wake();
      };
      work.then(finish, (error: unknown) => {
        // It writes its reply in one go at its end, so nothing of it is there.
        const reply = this.fatalOr(error);
        if (reply !== undefined) out.error(reply.text);
        finish();
      });
      return OCCUPIED;
    } catch (error) {
      out.error(this.replyOf(error).text);
      return bound;
    }
  }

  private enqueue(bound: BoundCommand, args: Arguments): BoundCommand {
    const { implementation } = bound;
    let refusal: ErrorReply | undefined;
    if (implementation.kind === 'special') {
      if (typeof implementation.inMulti === 'object') refusal = implementation.inMulti;
    } else {
      const keys = keysOf(bound.command, args);
      if (keys === undefined || keys.length === 0) refusal = wrongArityError(bound.command.fullName);
      else refusal = this.server.crossSlotErrorOf(keys) ?? this.server.redirectionOf(keys[0] as Buffer);
    }
    if (refusal === undefined && !this.transaction.enqueue(bound, args)) refusal = QUEUE_FULL_ERROR;
    const out = this.beginReply();
    if (refusal === undefined) {
      out.simple('QUEUED');
    } else {
      this.transaction.isBroken = true;
      out.error(refusal.text);
    }
    return bound;
  }

  /** What the command uses, if it may start now. */
  private useOf(keys: readonly Buffer[], isWrite: boolean, args: Arguments): Use | undefined {
    const { inFlight } = this;
    const names = keys.map(nameOf);
    let isHere = false;
    if (isWrite) isHere = keys.length === 1 && this.server.isHere(keys[0] as Buffer);
    if (inFlight.count > 0 && !inFlight.admits(names, isWrite, isHere)) return undefined;
    let bytes = 0;
    for (const { length } of args) bytes += length;
    return { names, isWrite, isHere, bytes };
  }

  /** Keeps the reply's place until `work` is done. */
  private defer<T>(
    bound: BoundCommand,
    use: Use,
    work: Promise<T>,
    write: (value: T, out: ReplyEncoder) => void,
  ): BoundCommand {
    const slot = this.queue.defer();
    const isSilent = this.isSilent();
    this.inFlight.add(use);
    const finish = (writeReply: (out: ReplyEncoder) => void, failed: boolean): void => {
      this.inFlight.remove(use);
      this.queue.complete(slot, isSilent ? silence : writeReply);
      if (failed) bound.failedCalls += 1;
      this.wake();
    };
    work.then(
      (value) => finish((out) => write(value, out), false),
      (error: unknown) => {
        const reply = this.fatalOr(error);
        if (reply !== undefined) finish((out) => out.error(reply.text), true);
      },
    );
    return bound;
  }

  private answer(bound: BoundCommand, error: ErrorReply): BoundCommand {
    bound.failedCalls += 1;
    this.beginReply().error(error.text);
    return bound;
  }

  /** Where the next reply is written. Call once for each. */
  beginReply(): ReplyEncoder {
    return this.isSilent() ? this.discarded : this.queue.tail;
  }

  private isSilent(): boolean {
    if (this.replyMode === 'on') return false;
    if (this.replyMode === 'skip') this.replyMode = 'on';
    return true;
  }

  /** @throws whatever is no operating error. */
  private replyOf(error: unknown): ErrorReply {
    const reply = errorReplyOf(error);
    if (reply === undefined) throw error;
    return reply;
  }

  private fatalOr(error: unknown): ErrorReply | undefined {
    const reply = errorReplyOf(error);
    if (reply === undefined) this.server.fatal(error);
    return reply;
  }

  /** Sends what may be sent, in one write. */
  private flush(): void {
    if (this.discarded.byteLength > 0) this.discarded.take();
    const { out } = this.queue;
    const bytes = out.byteLength;
    if (bytes === 0) return;
    const chunks = out.take();
    const { socket } = this;
    this.server.statistics.outputBytes += bytes;
    if (chunks.length === 1) {
      socket.write(chunks[0] as Buffer);
    } else {
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    }
    if (socket.writableLength > this.server.outputBytesMax) {
      this.server.log.warn(
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
    const fits = this.server.countIncomplete(counted - this.countedIncompleteBytes);
    this.countedIncompleteBytes = counted;
    if (fits || !grows || this.isEnding) return;
    this.server.log.warn(`Redis client ${this.address} is closed: incomplete requests take too much memory`);
    this.destroy();
  }
}

/** `empty`: everything received was started; `waiting`: for what is under way, or the next turn. */
type Stopped = 'empty' | 'full' | 'waiting';

/** A special command is under way, and counts itself when it has ended. */
const OCCUPIED = Symbol('occupied');
type Started = BoundCommand | ErrorReply | typeof OCCUPIED | undefined;

function nameOf(key: Buffer): string {
  return key.toString('latin1');
}

function silence(): void {
  // CLIENT REPLY OFF.
}
