/**
 * The data operations: what a client may ask of the keys of one partition, as values. Both protocols are made of
 * these. An operation runs where the partition's primary is, in one step: what it finds is what it changes, and all of
 * it is one log entry, or nothing is.
 *
 * Every key of an operation lies in one partition; whoever builds one has seen to that.
 */

/** Until when a value lives, as a write says it. */
export type Expiry =
  | { readonly type: 'never' }
  /** As the value that is replaced; never, if there is none. */
  | { readonly type: 'keep' }
  /** Milliseconds since the Unix epoch. In the past: the key is deleted. */
  | { readonly type: 'at'; readonly atMs: number }
  /** From the moment the write is sequenced, by the partition's clock. At least 1. */
  | { readonly type: 'in'; readonly ms: number };

/** What must be so of a key for an operation to happen. An expired value is absent. */
export type Condition =
  | { readonly type: 'absent' }
  | { readonly type: 'present' }
  /** Present, with one of these versions. */
  | { readonly type: 'version'; readonly anyOf: readonly number[] }
  /** Absent, or with none of these versions. */
  | { readonly type: 'not-version'; readonly noneOf: readonly number[] }
  /** Present, with these very bytes. */
  | { readonly type: 'value'; readonly equals: Buffer };

/** Which change of an expiry is wanted, compared with the one there is; no expiry counts as the latest of all. */
export type ExpiryRule = 'if-none' | 'if-some' | 'if-later' | 'if-earlier';

export type Operation = ReadOperation | WriteOperation;

export type ReadOperation = { readonly type: 'get'; readonly key: Buffer };

export type WriteOperation = SingleWrite | Transaction | Clear;

export type SingleWrite =
  | Put
  | Delete
  | SetExpiry
  | Add
  | AddDecimal
  | Append
  | SetRange
  | SetBit
  | BitField
  | BitOperation
  | Copy;

/** Result: `stored`; `refused` when a condition fails; `deleted` or `absent` when the expiry lies in the past. */
export interface Put {
  readonly type: 'put';
  readonly key: Buffer;
  readonly value: Buffer;
  readonly contentType: string | undefined;
  readonly expiry: Expiry;
  readonly conditions: readonly Condition[];
  /** Whether the result shall hold the record that was there. */
  readonly returnOld: boolean;
}

/** Result: `deleted`, `absent`, or `refused`. */
export interface Delete {
  readonly type: 'delete';
  readonly key: Buffer;
  readonly conditions: readonly Condition[];
  readonly returnOld: boolean;
}

/** Gives a value another expiry. Result: `stored`, `deleted` (expiry in the past), `absent`, or `refused` (by the rules too). */
export interface SetExpiry {
  readonly type: 'set-expiry';
  readonly key: Buffer;
  readonly expiry: Exclude<Expiry, { type: 'keep' }>;
  /** All must hold. */
  readonly rules: readonly ExpiryRule[];
  readonly conditions: readonly Condition[];
  /** Whether the result shall hold the record (GETEX). */
  readonly returnOld: boolean;
}

/** Adds to a decimal 64-bit integer; an absent value counts as 0. Keeps expiry and content type. Result: `number`, or `failed`. */
export interface Add {
  readonly type: 'add';
  readonly key: Buffer;
  readonly by: bigint;
  readonly conditions: readonly Condition[];
}

/** The same for a decimal fraction, exactly as libs/redis computes INCRBYFLOAT. */
export interface AddDecimal {
  readonly type: 'add-decimal';
  readonly key: Buffer;
  /** A finite decimal number. */
  readonly by: string;
}

/** Result: `length`, or `failed` when the value would become too large. An absent value counts as empty. */
export interface Append {
  readonly type: 'append';
  readonly key: Buffer;
  readonly value: Buffer;
  readonly conditions: readonly Condition[];
}

/** Overwrites from `offset` on, filling a gap with zero bytes. Result: `length`, or `failed`. */
export interface SetRange {
  readonly type: 'set-range';
  readonly key: Buffer;
  readonly offset: number;
  readonly value: Buffer;
}

/** Result: `number`, the bit that was there. */
export interface SetBit {
  readonly type: 'set-bit';
  readonly key: Buffer;
  readonly offset: number;
  readonly bit: 0 | 1;
}

export type BitFieldStep =
  | { readonly type: 'get'; readonly signed: boolean; readonly bits: number; readonly offset: number }
  | {
      readonly type: 'set' | 'add';
      readonly signed: boolean;
      readonly bits: number;
      readonly offset: number;
      readonly value: bigint;
      readonly overflow: 'wrap' | 'saturate' | 'fail';
    };

/** Result: `numbers`, one for each step, null where an overflow failed. */
export interface BitField {
  readonly type: 'bit-field';
  readonly key: Buffer;
  readonly steps: readonly BitFieldStep[];
}

/** Stores the bitwise combination of `sources` under `key`; deletes `key` when they are all empty. Result: `length`. */
export interface BitOperation {
  readonly type: 'bit-operation';
  readonly operator: 'and' | 'or' | 'xor' | 'not';
  readonly key: Buffer;
  readonly sources: readonly Buffer[];
}

/**
 * Stores the value, type and expiry of `from` under `key` as well, or instead (`move`, a rename).
 * Result: `stored`; `refused` when `key` is taken and `replace` is false; `absent` when `from` is.
 */
export interface Copy {
  readonly type: 'copy';
  readonly from: Buffer;
  readonly key: Buffer;
  readonly move: boolean;
  readonly replace: boolean;
}

/**
 * All or nothing: when every comparison holds, the operations of `then` happen in order, each seeing what the ones
 * before it did; otherwise those of `otherwise`. A `failed` operation (not a number, too large) fails alone when
 * `continueOnFailure` is set, as Redis has it, and otherwise fails the whole.
 * Result: `transaction`.
 */
export interface Transaction {
  readonly type: 'transaction';
  readonly compare: readonly { readonly key: Buffer; readonly conditions: readonly Condition[] }[];
  readonly then: readonly (ReadOperation | SingleWrite)[];
  readonly otherwise: readonly (ReadOperation | SingleWrite)[];
  readonly continueOnFailure: boolean;
}

/** Deletes every key of the partition. Result: `cleared`. */
export interface Clear {
  readonly type: 'clear';
}

/** Operations of one transaction, comparisons included: past it the edge refuses. */
export const TRANSACTION_OPERATIONS_MAX = 1024;
