/**
 * What became of an operation. Every one of these is definite: it happened like this, or it did not happen.
 *
 * A `version` is the key's from now on; the one it had, where nothing was written; 0 where the key is absent. In a
 * deletion it is that of the deletion. Buffers are views of what is stored or about to be: never write to them.
 *
 * A repeated request is answered from a receipt (receipt.ts), which holds no old records and no values, and where it
 * would be too long no single results either.
 */

export interface StoredValue {
  readonly version: number;
  /** Milliseconds since the Unix epoch; 0 = never. */
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  readonly payload: Buffer;
}

export type Result =
  /** Of a `get`: undefined when the key is absent. */
  | { readonly type: 'value'; readonly record: StoredValue | undefined }
  | {
      readonly type: 'stored';
      readonly version: number;
      /** False when a value was replaced. */
      readonly created: boolean;
      readonly expireAtMs: number;
      /** Only where the operation asked for it, and there was one. */
      readonly old: StoredValue | undefined;
    }
  | { readonly type: 'deleted'; readonly version: number; readonly old: StoredValue | undefined }
  | { readonly type: 'absent' }
  /** A condition did not hold. Nothing happened. */
  | {
      readonly type: 'refused';
      /** The key's version as it is; 0 = absent. */
      readonly version: number;
      readonly old: StoredValue | undefined;
    }
  /** Decimal text, so that it is exact at any size. */
  | {
      readonly type: 'number';
      readonly version: number;
      readonly number: string;
      readonly created: boolean;
    }
  | { readonly type: 'numbers'; readonly version: number; readonly numbers: readonly (string | null)[] }
  | { readonly type: 'length'; readonly version: number; readonly length: number; readonly created: boolean }
  | { readonly type: 'cleared'; readonly version: number; readonly removed: number }
  | {
      readonly type: 'failed';
      readonly reason: FailureReason;
      /** Of a transaction that failed as a whole: which operation of the branch it was, from 0. */
      readonly operation?: number;
    }
  | {
      readonly type: 'transaction';
      /** Whether every comparison held. */
      readonly held: boolean;
      /** The version of every key it wrote; 0 when it wrote none. */
      readonly version: number;
      /** One for each operation of the branch that was taken. */
      readonly results: readonly Result[];
    };

/** Why an operation cannot be done with the value that is there. Nothing happened. */
export type FailureReason =
  /** The value is no decimal integer of 64 bits. */
  | 'not-an-integer'
  /** The value is no decimal number. */
  | 'not-a-number'
  /** The sum does not fit 64 bits. */
  | 'overflow'
  /** The sum is not a finite number. */
  | 'not-finite'
  /** The value would exceed `maxValueBytes`. */
  | 'too-large';
