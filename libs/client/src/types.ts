/** What a client says and hears. Keys and values are bytes; a text stands for its UTF-8. */

export type Bytes = string | Uint8Array;

export interface CallOptions {
  /** Milliseconds for the whole call, all attempts included. Default: the client's. */
  readonly deadlineMs?: number;
  /** Ends the call with the signal's reason. What was sent may have been done. */
  readonly signal?: AbortSignal;
}

/** Of a write. When one does not hold, nothing happens, and the call rejects with `precondition-failed`. */
export interface Conditions {
  /** The value has this version, or one of these; `*`: there is a value. */
  readonly ifMatch?: number | readonly number[] | '*';
  /** The value has none of these versions; `*`: there is none. */
  readonly ifNoneMatch?: number | readonly number[] | '*';
}

export interface WriteOptions extends CallOptions, Conditions {
  /**
   * Names the write, so that it is done once however often it is sent, also by another process that knows the name.
   * Printable ASCII, up to 255 characters. Default: a random one for each call.
   */
  readonly idempotencyKey?: string;
}

export interface PutOptions extends WriteOptions {
  readonly contentType?: string;
  /** How long the value lives. Default: for ever. */
  readonly ttlMs?: number;
}

export interface Value {
  readonly value: Buffer;
  readonly version: number;
  readonly contentType: string;
  /** Seconds that it has to live, rounded up; undefined: for ever. */
  readonly ttlSeconds: number | undefined;
}

export interface Receipt {
  readonly version: number;
  /** Of a put: false when a value was replaced. */
  readonly created: boolean;
  /** The write had been done before, under the same idempotency key. */
  readonly repeated: boolean;
}

export interface Counted extends Receipt {
  readonly value: bigint;
}

export interface ListOptions extends CallOptions {
  readonly prefix?: Bytes;
  /** The first key, included. */
  readonly start?: Bytes;
  /** The key to stop before. */
  readonly end?: Bytes;
  /** Leaves the values out: they are empty. */
  readonly keysOnly?: boolean;
  /** Keys that are fetched at once. Default 1000. */
  readonly pageSize?: number;
}

export interface Listed {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly version: number;
  readonly contentType: string | undefined;
  /** Milliseconds since the Unix epoch; undefined: never. */
  readonly expireAtMs: number | undefined;
}

/** One operation of a batch or transaction. */
export type Step =
  | { readonly op: 'get'; readonly key: Bytes }
  | ({
      readonly op: 'put';
      readonly key: Bytes;
      readonly value: Bytes;
      readonly contentType?: string;
      readonly ttlMs?: number;
    } & Conditions)
  | ({ readonly op: 'delete' | 'persist'; readonly key: Bytes } & Conditions)
  | ({ readonly op: 'touch'; readonly key: Bytes; readonly ttlMs: number } & Conditions)
  | ({ readonly op: 'incr'; readonly key: Bytes; readonly by?: number | bigint } & Conditions)
  | ({ readonly op: 'append'; readonly key: Bytes; readonly value: Bytes } & Conditions);

/** What became of one operation, with the HTTP status that it would have had alone. */
export interface Batched {
  readonly status: number;
  readonly version: number | undefined;
  /** Of a get that found something. */
  readonly value: Buffer | undefined;
  /** Of an incr. */
  readonly number: bigint | undefined;
  /** Of what was not done: why. */
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

/** At least one of the conditions. */
export interface Comparison extends Conditions {
  readonly key: Bytes;
  /** The value has these very bytes. */
  readonly value?: Bytes;
}

/** All keys in one slot: give them a common hash tag, as in {a}name and {a}mail. */
export interface Transaction {
  readonly compare?: readonly Comparison[];
  readonly then?: readonly Step[];
  readonly otherwise?: readonly Step[];
}

export interface Transacted {
  /** Whether every comparison held, so that `then` happened. */
  readonly held: boolean;
  readonly results: readonly Batched[];
  readonly repeated: boolean;
}
