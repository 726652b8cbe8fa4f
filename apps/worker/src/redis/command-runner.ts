/**
 * Starts the commands of one connection, and puts their replies in order.
 *
 * Most replies are known at once and written straight away. A command whose answer comes later keeps its place in the
 * queue, and those behind it go on, unless they depend on it: see in-flight.ts. Commands about the connection or the
 * whole server wait for all before them, and while one of them takes its time nothing else starts.
 */
import type { Result, StoredValue } from '@diststore/data';
import {
  errorReply,
  type ErrorReply,
  keysOf,
  ReplyEncoder,
  type RespVersion,
  wrongArityError,
} from '@diststore/redis';

import { performMany, performOne, readMany } from './data-commands.js';
import { errorReplyOf, failureReply } from './error-replies.js';
import type {
  Arguments,
  BoundCommand,
  Connection,
  ReadMany,
  ReadOne,
  RedisPort,
  Special,
  WriteMany,
  WriteOne,
} from './implementation.js';
import { InFlight, type Use } from './in-flight.js';
import { PENDING_BYTES_MAX, PENDING_COMMANDS_MAX, PENDING_READS_MAX } from './redis-limits.js';
import type { Reader } from './redis-keyspace.js';
import { ReplyQueue } from './reply-queue.js';

const QUEUE_FULL_ERROR = errorReply('ERR too many commands, or too large ones, in one MULTI');
const NO_NAMES: readonly string[] = [];

/** A special command is under way, and counts itself when it has ended. */
export const OCCUPIED = Symbol('occupied');

/** What was started; undefined when it must wait, and nothing has happened. */
export type Started = BoundCommand | ErrorReply | typeof OCCUPIED | undefined;

export class CommandRunner {
  private readonly port: RedisPort;
  private readonly queue = new ReplyQueue();
  private readonly discarded = new ReplyEncoder();
  private readonly inFlight = new InFlight();
  /** A special command is under way: nothing starts before it has ended. */
  isOccupied = false;

  constructor(private readonly connection: Connection) {
    this.port = connection.port;
  }

  get version(): RespVersion {
    return this.queue.version;
  }

  /** REQUIRES: nothing is under way. */
  set version(version: RespVersion) {
    this.queue.version = version;
    this.discarded.version = version;
  }

  /** Commands that are started and not answered. */
  get pendingCommands(): number {
    return this.inFlight.count;
  }

  /** Replies that were not taken, also those that wait for others. */
  get replyBytes(): number {
    return this.queue.byteLength;
  }

  /** Whether every command that was started is answered. */
  get isDone(): boolean {
    return this.queue.waiting === 0 && !this.isOccupied;
  }

  /** Whether no further command is to be started for now. */
  get isFull(): boolean {
    return this.inFlight.count >= PENDING_COMMANDS_MAX || this.inFlight.bytes >= PENDING_BYTES_MAX;
  }

  /** The replies that may be sent. */
  takeReplies(): readonly Buffer[] {
    if (this.discarded.byteLength > 0) this.discarded.take();
    return this.queue.out.byteLength === 0 ? NO_REPLIES : this.queue.out.take();
  }

  /** Starts a command. Answers what was started, and undefined if it must wait: nothing has happened then. */
  start(args: Arguments): Started {
    const bound = this.port.commands.resolve(args);
    if ('kind' in bound) {
      this.connection.transaction.isBroken = this.connection.transaction.isOpen;
      this.beginReply().error(bound.text);
      return bound;
    }
    if (this.port.pauses.isOn && this.port.pauses.holds(this.writes(bound))) return undefined;
    const { implementation } = bound;
    if (
      this.connection.transaction.isOpen &&
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

  /** Whether it may change data; EXEC does if what is queued does. */
  private writes({ isWrite, command }: BoundCommand): boolean {
    return (
      isWrite ||
      (command.name === 'exec' && this.connection.transaction.queued.some(({ bound }) => bound.isWrite))
    );
  }

  private startRead(bound: BoundCommand, { reply }: ReadOne, args: Arguments): Started {
    const key = args[bound.command.singleKeyIndex] as Buffer;
    let names = NO_NAMES;
    if (this.inFlight.count > 0) {
      names = [nameOf(key)];
      if (this.inFlight.reads >= PENDING_READS_MAX || !this.inFlight.admits(names, false, true))
        return undefined;
    }
    const redirection = this.port.redirectionOf(key);
    const reader = this.readerOf([key], redirection);
    if (reader === undefined) return this.answer(bound, redirection as ErrorReply);
    try {
      const found = reader.get(key);
      if (!(found instanceof Promise)) {
        this.port.statistics.countRead(found.record !== undefined);
        reply(found.record, args, this.beginReply(), this.port.context);
        return bound;
      }
      if (names === NO_NAMES) names = [nameOf(key)];
      return this.defer(
        bound,
        { names, isWrite: false, isHere: false, bytes: 0 },
        found,
        ({ record }, out) => {
          this.port.statistics.countRead(record !== undefined);
          reply(record, args, out, this.port.context);
        },
      );
    } catch (error) {
      return this.answer(bound, this.replyOf(error));
    }
  }

  /** Who answers a read; undefined: it is redirected. */
  private readerOf(keys: readonly Buffer[], redirection: ErrorReply | undefined): Reader | undefined {
    if (redirection === undefined) return this.port.keyspace;
    return this.connection.readOnly ? this.port.staleReaderOf(keys) : undefined;
  }

  private startWrite(bound: BoundCommand, { operation: build, reply }: WriteOne, args: Arguments): Started {
    const { port } = this;
    const keys = keysOf(bound.command, args) as Buffer[];
    const use = this.useOf(keys, true, args);
    if (use === undefined) return undefined;
    const redirection = port.crossSlotErrorOf(keys) ?? port.redirectionOf(keys[0] as Buffer);
    if (redirection !== undefined) return this.answer(bound, redirection);
    const operation = build(args, port.context);
    if ('kind' in operation) return this.answer(bound, operation);
    const write = (result: Result, out: ReplyEncoder): void => {
      if (result.type === 'failed') out.error(failureReply(result.reason).text);
      else reply(result, args, out, port.context);
    };
    try {
      const done = performOne(port.keyspace, operation);
      if (!(done instanceof Promise)) {
        write(done.result, this.beginReply());
        return bound;
      }
      return this.defer(bound, use, done, ({ result, replicas }, out) => {
        if (operation.type !== 'get') this.connection.holdersOfLastWrite = replicas.length;
        write(result, out);
      });
    } catch (error) {
      return this.answer(bound, this.replyOf(error));
    }
  }

  private startMany(bound: BoundCommand, implementation: ReadMany | WriteMany, args: Arguments): Started {
    const { port } = this;
    const keys = keysOf(bound.command, args);
    const isWrite = implementation.kind === 'write-many';
    // MSET with a key too many: the description of its keys does not fit.
    if (keys === undefined || keys.length === 0)
      return this.answer(bound, wrongArityError(bound.command.fullName));
    const use = this.useOf(keys, isWrite, args);
    if (use === undefined) return undefined;
    const redirection = port.redirectionOfAll(keys);
    const reader = isWrite && redirection !== undefined ? undefined : this.readerOf(keys, redirection);
    if (reader === undefined) return this.answer(bound, redirection as ErrorReply);
    try {
      if (implementation.kind === 'read-many') {
        const refused = implementation.check?.(args);
        if (refused !== undefined) return this.answer(bound, refused);
        const records = readMany(reader, keys);
        const write = (found: readonly (StoredValue | undefined)[], out: ReplyEncoder): void => {
          for (const record of found) port.statistics.countRead(record !== undefined);
          implementation.reply(found, args, out);
        };
        if (records instanceof Promise) return this.defer(bound, use, records, write);
        write(records, this.beginReply());
        return bound;
      }
      const operations = implementation.operations(args, port.context);
      if ('kind' in operations) return this.answer(bound, operations);
      const work = performMany(port.keyspace, operations, port.context.maxValueBytes);
      return this.defer(bound, use, work, ({ results, replicas }, out) => {
        this.connection.holdersOfLastWrite = replicas ?? this.connection.holdersOfLastWrite;
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
    this.connection.lastCommand = bound;
    try {
      const work = special.run(this.connection, args, out);
      if (work === undefined) return bound;
      this.isOccupied = true;
      const startMs = performance.now();
      const finish = (): void => {
        this.isOccupied = false;
        this.port.account(this.connection, bound, args, performance.now() - startMs);
        this.connection.wake();
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
      else refusal = this.port.crossSlotErrorOf(keys) ?? this.port.redirectionOf(keys[0] as Buffer);
    }
    if (refusal === undefined && !this.connection.transaction.enqueue(bound, args))
      refusal = QUEUE_FULL_ERROR;
    const out = this.beginReply();
    if (refusal === undefined) {
      out.simple('QUEUED');
    } else {
      this.connection.transaction.isBroken = true;
      out.error(refusal.text);
    }
    return bound;
  }

  /** What the command uses, if it may start now. */
  private useOf(keys: readonly Buffer[], isWrite: boolean, args: Arguments): Use | undefined {
    const { inFlight } = this;
    const names = keys.map(nameOf);
    let isHere = false;
    if (isWrite) isHere = keys.length === 1 && this.port.isHere(keys[0] as Buffer);
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
      if (failed) {
        bound.failedCalls += 1;
        this.port.statistics.errorReplies += 1;
      }
      this.connection.wake();
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
    this.port.statistics.errorReplies += 1;
    this.beginReply().error(error.text);
    return bound;
  }

  /** Where the next reply is written. Call once for each. */
  beginReply(): ReplyEncoder {
    return this.isSilent() ? this.discarded : this.queue.tail;
  }

  private isSilent(): boolean {
    if (this.connection.replyMode === 'on') return false;
    if (this.connection.replyMode === 'skip') this.connection.replyMode = 'on';
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
    if (reply === undefined) this.port.fatal(error);
    return reply;
  }
}

const NO_REPLIES: readonly Buffer[] = [];

function nameOf(key: Buffer): string {
  return key.toString('latin1');
}

function silence(): void {
  // CLIENT REPLY OFF.
}
