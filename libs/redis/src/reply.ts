/**
 * A reply as a value: what the reply decoder gives, and what is written where speed does not matter (COMMAND, INFO,
 * tests). The hot path writes with the methods of ReplyEncoder and never builds these.
 *
 * The kinds are RESP3's. RESP2 has fewer, and ReplyEncoder says how each is expressed there.
 *
 * Source: RESP3 specification, https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
 */
export type Reply =
  | SimpleReply
  | ErrorReply
  | IntegerReply
  | BulkReply
  | { readonly kind: 'null' }
  /** RESP2 only: an absent array, as EXEC answers when a watched key has changed. */
  | { readonly kind: 'null-array' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'big-number'; readonly value: bigint }
  /** `format` has three letters: `txt` or `mkd`. */
  | { readonly kind: 'verbatim'; readonly format: string; readonly value: Buffer }
  | { readonly kind: 'array' | 'set' | 'push'; readonly items: readonly Reply[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Reply, Reply])[] };

/** One line of text. Line ends in it are sent as spaces. */
export interface SimpleReply {
  readonly kind: 'simple';
  readonly text: string;
}

/** `text` begins with a prefix in capitals that clients match on: `ERR syntax error`. No leading `-`. */
export interface ErrorReply {
  readonly kind: 'error';
  readonly text: string;
}

/** A 64-bit integer: a number where that is exact, otherwise a bigint. See int64.ts. */
export interface IntegerReply {
  readonly kind: 'integer';
  readonly value: number | bigint;
}

export interface BulkReply {
  readonly kind: 'bulk';
  readonly value: Buffer;
}

export const NULL_REPLY: Reply = { kind: 'null' };
export const NULL_ARRAY_REPLY: Reply = { kind: 'null-array' };
export const OK_REPLY: SimpleReply = { kind: 'simple', text: 'OK' };

export function simple(text: string): SimpleReply {
  return { kind: 'simple', text };
}

export function errorReply(text: string): ErrorReply {
  return { kind: 'error', text };
}

export function integer(value: number | bigint): IntegerReply {
  return { kind: 'integer', value };
}

/** A string is sent as UTF-8. */
export function bulk(value: Buffer | string): BulkReply {
  return { kind: 'bulk', value: typeof value === 'string' ? Buffer.from(value) : value };
}

export function array(items: readonly Reply[]): Reply {
  return { kind: 'array', items };
}

export function set(items: readonly Reply[]): Reply {
  return { kind: 'set', items };
}

export function map(entries: readonly (readonly [Reply, Reply])[]): Reply {
  return { kind: 'map', entries };
}
