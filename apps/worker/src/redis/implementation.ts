/**
 * What a command does, as data for whoever runs it, and what it may know of the connection and the port that run it.
 *
 * Commands on keys say which operation they are and how its result is answered, and nothing of routing, waiting or
 * transactions: so each of them works alone, in a pipeline, inside MULTI and across partitions. All others get the
 * connection. A command knows connections, and a connection knows commands, so their types are one file.
 */
import type { Clock } from '@diststore/base';
import type { PartitionId } from '@diststore/cluster';
import type { ReadOperation, Result, SingleWrite, StoredValue } from '@diststore/data';
import type { Log } from '@diststore/process';
import type {
  Command,
  CommandTable,
  ErrorReply,
  ReplyEncoder,
  RequestLimits,
  RespVersion,
} from '@diststore/redis';

import type { CursorTable } from './cursor-table.js';
import type { Pauses } from './pauses.js';
import type { Reader, RedisKeyspace } from './redis-keyspace.js';
import type { SlotMap } from './slot-map.js';
import type { SlowLog } from './slow-log.js';
import type { Statistics } from './statistics.js';
import type { TransactionState } from './transaction-state.js';

export type Arguments = readonly Buffer[];

export interface Context {
  /** Wall clock. */
  readonly nowMs: number;
  readonly maxValueBytes: number;
}

/** Reads one key, the command's only one. */
export interface ReadOne {
  readonly kind: 'read';
  readonly reply: (
    record: StoredValue | undefined,
    args: Arguments,
    out: ReplyEncoder,
    context: Context,
  ) => void;
}

/** Reads all keys of the command, in order. */
export interface ReadMany {
  readonly kind: 'read-many';
  /** Looked at before anything is read. */
  readonly check?: (args: Arguments) => ErrorReply | undefined;
  readonly reply: (records: readonly (StoredValue | undefined)[], args: Arguments, out: ReplyEncoder) => void;
}

/** One operation, on keys that share a slot. */
export interface WriteOne {
  readonly kind: 'write';
  readonly operation: (args: Arguments, context: Context) => ReadOperation | SingleWrite | ErrorReply;
  /** A `failed` result never gets here. */
  readonly reply: (result: Result, args: Arguments, out: ReplyEncoder, context: Context) => void;
}

/** Several operations that do not depend on each other, one for each key. */
export interface WriteMany {
  readonly kind: 'write-many';
  readonly operations: (args: Arguments, context: Context) => SingleWrite[] | ErrorReply;
  readonly reply: (results: readonly Result[], args: Arguments, out: ReplyEncoder) => void;
}

/** Everything else. */
export interface Special {
  readonly kind: 'special';
  /**
   * Writes its reply to `out`, now or before the promise resolves.
   * @throws StoreError, answered as an error reply.
   */
  readonly run: (connection: Connection, args: Arguments, out: ReplyEncoder) => void | Promise<void>;
  /**
   * Inside MULTI: queued with the others (default), run at once, or refused with this error.
   */
  readonly inMulti?: 'at-once' | ErrorReply;
  /** Whether it may start while commands before it are under way. */
  readonly overlaps?: boolean;
}

export type Implementation = ReadOne | ReadMany | WriteOne | WriteMany | Special;

/** By full name, such as `get` or `client|setname`. */
export type Implementations = Readonly<Record<string, Implementation>>;

/** A command as one listener knows it, with what it has counted. */
export interface BoundCommand {
  readonly command: Command;
  readonly implementation: Implementation;
  readonly isWrite: boolean;
  calls: number;
  failedCalls: number;
  rejectedCalls: number;
  totalMs: number;
}

/** CLIENT REPLY. `skip`: the next reply is not sent. */
export type ReplyMode = 'on' | 'off' | 'skip';

/** A client's connection, as commands see it. */
export interface Connection {
  readonly port: RedisPort;
  readonly id: number;
  /** Of the client, and of this end: host:port. */
  readonly address: string;
  readonly localAddress: string;
  /** As performance.now() has it. */
  readonly createdMs: number;
  readonly lastActiveMs: number;
  name: string;
  libName: string;
  libVersion: string;
  noEvict: boolean;
  noTouch: boolean;
  readOnly: boolean;
  lastCommand: BoundCommand | undefined;
  version: RespVersion;
  replyMode: ReplyMode;
  readonly transaction: TransactionState<BoundCommand>;
  /** Workers that hold the latest write of this connection; undefined before the first. */
  holdersOfLastWrite: number | undefined;
  readonly pendingCommands: number;
  readonly pendingInputBytes: number;
  readonly outputBytes: number;
  /** Whether CLIENT PAUSE holds a command of it back. */
  readonly isPaused: boolean;

  /** Where the next reply is written. Call once for each. */
  beginReply(): ReplyEncoder;
  /** Starts no further command, and closes when the replies are sent. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /** Runs on after this turn; for whoever changes what commands wait for. */
  wake(): void;
}

export type RedisMode = 'cluster' | 'gateway';

/** A port that takes connections, as commands and connections see it. */
export interface RedisPort {
  readonly mode: RedisMode;
  /** Its number. */
  readonly port: number;
  readonly keyspace: RedisKeyspace;
  readonly slots: SlotMap;
  readonly clock: Clock;
  readonly log: Log;
  readonly context: Context;
  readonly requestLimits: RequestLimits;
  readonly outputBytesMax: number;
  readonly runId: string;
  /** As performance.now() has it. */
  readonly startedMs: number;
  readonly commands: {
    readonly table: CommandTable;
    /** What a request calls, or the error that answers it. */
    resolve(args: Arguments): BoundCommand | ErrorReply;
    all(): BoundCommand[];
  };
  readonly statistics: Statistics;
  readonly slowLog: SlowLog;
  readonly cursors: CursorTable;
  readonly pauses: Pauses;
  maxClients: number;
  /** 0: never. */
  idleTimeoutMs: number;

  /** As they connected. */
  connections(): Connection[];
  find(id: number): Connection | undefined;
  /** The partitions that commands about all keys go over. */
  partitions(): readonly PartitionId[];
  /** Why a command on this key is not run; undefined when it is. */
  redirectionOf(key: Buffer): ErrorReply | undefined;
  /** The same for many keys, each of which is treated by itself: the gateway takes them in any slots. */
  redirectionOfAll(keys: readonly Buffer[]): ErrorReply | undefined;
  /** Why one operation may not touch all these keys; undefined when it may. */
  crossSlotErrorOf(keys: readonly Buffer[]): ErrorReply | undefined;
  /** Who reads these keys for a connection that said READONLY, where they would be redirected: a replica that is here. */
  staleReaderOf(keys: readonly Buffer[]): Reader | undefined;
  /** Whether this worker does the writes of this key itself. */
  isHere(key: Buffer): boolean;
  /** Counts a command. @param durationMs that it took here: waiting for a disk or another worker is not in it. */
  account(connection: Connection, what: BoundCommand | ErrorReply, args: Arguments, durationMs: number): void;
  /** Whether all incomplete requests together are within their bound after this change. */
  countIncomplete(changeBytes: number): boolean;
  forget(connection: Connection): void;
  /** A programmer's error: the process is to end. */
  fatal(error: unknown): void;
}
