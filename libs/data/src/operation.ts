/**
 * The data operations: what a client may ask of the keys of one partition, as values. Both protocols are made of
 * these. An operation runs where the partition's primary is, in one step: what it finds is what it changes, and all of
 * it is one log entry, or nothing is. `decide.ts` says how; `check-operation.ts` says what is too much to ask.
 *
 * What holds for all of them:
 * - An expired value is absent. One that is replaced counts as `created`.
 * - Conditions are looked at before anything else, and all must hold. If one does not, the result is `refused` and
 *   nothing has happened, also where the key is absent. The result of an operation without conditions is never
 *   `refused`, except where it says so.
 * - What changes a value in place (add, append, bits, expiry) keeps its content type, and its expiry unless that is
 *   what changes. An absent value counts as 0 or as empty.
 * - What reads a value and leaves it as it was writes nothing: the version stays (the expiry it has already, the bit
 *   that is set already, nothing appended). A put, an addition or a bit operation always writes.
 * - A damaged record can be replaced or deleted. Whatever has to look at it throws StoreError record-corrupt.
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
  /** From the moment the write is sequenced, by the partition's clock. From 1 to 2^53 - 1. */
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

/**
 * Result: `stored`; `refused` when a condition fails; `deleted` or `absent` (by whether there was a value) when the
 * expiry lies in the past.
 */
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

/** Gives a value another expiry. Result: `stored`, `deleted` (expiry in the past), `absent`, or `refused` (by a rule too). */
export interface SetExpiry {
  readonly type: 'set-expiry';
  readonly key: Buffer;
  readonly expiry: Exclude<Expiry, { type: 'keep' }>;
  /** All must hold, of a value that is there. */
  readonly rules: readonly ExpiryRule[];
  readonly conditions: readonly Condition[];
  /** Whether the result shall hold the record as it was (GETEX). */
  readonly returnOld: boolean;
}

/** Adds to a decimal 64-bit integer. Result: `number`, `failed` (not-an-integer, overflow), or `refused`. */
export interface Add {
  readonly type: 'add';
  readonly key: Buffer;
  /** Of 64 bits, signed. */
  readonly by: bigint;
  readonly conditions: readonly Condition[];
}

/** The same for a decimal fraction, as INCRBYFLOAT has it. Result: `number`, or `failed` (not-a-number, not-finite). */
export interface AddDecimal {
  readonly type: 'add-decimal';
  readonly key: Buffer;
  /** A finite decimal number: see `isDecimal`. */
  readonly by: string;
}

/** Result: `length`, `failed` (too-large), or `refused`. Appending nothing to what is absent stores an empty value. */
export interface Append {
  readonly type: 'append';
  readonly key: Buffer;
  readonly value: Buffer;
  readonly conditions: readonly Condition[];
}

/**
 * Overwrites from `offset` on, filling a gap with zero bytes. Result: `length`, or `failed` (too-large). An empty value
 * changes nothing, whatever the offset.
 */
export interface SetRange {
  readonly type: 'set-range';
  readonly key: Buffer;
  readonly offset: number;
  readonly value: Buffer;
}

/** Bit 0 is the highest of the first byte. Result: `number`, the bit that was there, or `failed` (too-large). */
export interface SetBit {
  readonly type: 'set-bit';
  readonly key: Buffer;
  /** In bits. */
  readonly offset: number;
  readonly bit: 0 | 1;
}

/**
 * `bits`: 1 to 64 of a signed field, 1 to 63 of an unsigned one, the highest bit first; `offset`: in bits. `get` gives
 * the field's number, `set` the one that was there, `add` the one that is there now.
 */
export type BitFieldStep =
  | { readonly type: 'get'; readonly signed: boolean; readonly bits: number; readonly offset: number }
  | {
      readonly type: 'set' | 'add';
      readonly signed: boolean;
      readonly bits: number;
      readonly offset: number;
      /** Of 64 bits, signed. One that the field cannot hold is an overflow, with `set` too. */
      readonly value: bigint;
      readonly overflow: 'wrap' | 'saturate' | 'fail';
    };

/**
 * Result: `numbers`, one for each step, null where an overflow failed, or `failed` (too-large). If any step is a `set`
 * or an `add`, the value is extended to hold all of those, even where they fail.
 */
export interface BitField {
  readonly type: 'bit-field';
  readonly key: Buffer;
  readonly steps: readonly BitFieldStep[];
}

/**
 * Stores the bitwise combination of `sources` under `key`, without type or expiry, as long as the longest of them;
 * deletes `key` when they are all empty. Result: `length`. REQUIRES: one source for `not`, at least one otherwise.
 */
export interface BitOperation {
  readonly type: 'bit-operation';
  readonly operator: 'and' | 'or' | 'xor' | 'not';
  readonly key: Buffer;
  readonly sources: readonly Buffer[];
}

/**
 * Stores the value, type and expiry of `from` under `key` as well, or instead (`move`, a rename).
 * Result: `stored`; `refused` when `key` is taken and `replace` is false; `absent` when `from` is. Onto itself it
 * changes nothing.
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
 * before it did; otherwise those of `otherwise`. An operation that is `refused` or finds its key absent is just that.
 * A `failed` one (not a number, too large) fails alone when `continueOnFailure` is set, as Redis has it, and otherwise
 * fails the whole: nothing happens.
 * Result: `transaction`; or `failed`: with the number of the operation, or too-large without one when all that it would
 * write, or all that it would answer, is more than `operationBytesMax`.
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
