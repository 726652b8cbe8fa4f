/**
 * What a command does, as data for whoever runs it. Commands on keys say which operation they are and how its result
 * is answered, and nothing of routing, waiting or transactions: so each of them works alone, in a pipeline, inside
 * MULTI and across partitions. All others get the connection.
 */
import type { Command, ErrorReply, ReplyEncoder } from '@diststore/redis';
import type { ReadOperation, Result, SingleWrite, StoredValue } from '@diststore/data';

import type { Session } from './session.js';

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
  readonly run: (session: Session, args: Arguments, out: ReplyEncoder) => void | Promise<void>;
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
