/** Query parameters, strictly: each is known, occurs once, and says what it may say. */
import { StoreError } from '@diststore/base';

export type Query = Readonly<Record<string, string | string[] | undefined>>;

const SHOWN_CHARS_MAX = 80;

/** @param why a sentence without a full stop, which names the parameter. */
export function badParameter(parameter: string, why: string): StoreError {
  return new StoreError('bad-parameter', `${why}.`, { facts: { parameter } });
}

/** A parameter that nobody reads is a typing error, and would silently do something else than was meant. */
export function checkNames(query: Query, known: readonly string[]): void {
  for (const name in query) {
    if (known.includes(name)) continue;
    const list = known.length === 0 ? 'there are none here' : `known here: ${known.join(', ')}`;
    throw badParameter(name.slice(0, SHOWN_CHARS_MAX), `There is no parameter ${shown(name)}; ${list}`);
  }
}

/** @throws StoreError bad-parameter: it occurs more than once. */
export function textOf(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw badParameter(name, `${name} is given ${value.length} times`);
}

/** @throws StoreError bad-parameter: not a whole number from `min` to `max`. */
export function wholeNumberOf(
  query: Query,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined {
  const text = textOf(query, name);
  if (text === undefined) return undefined;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (number >= min && number <= max) return number;
  throw badParameter(name, `${name} is a whole number from ${min} to ${max}, not ${shown(text)}`);
}

/** True also for a name without a value: `?keysOnly`. @throws StoreError bad-parameter */
export function flagOf(query: Query, name: string): boolean {
  const text = textOf(query, name);
  if (text === undefined || text === 'false' || text === '0') return false;
  if (text === '' || text === 'true' || text === '1') return true;
  throw badParameter(name, `${name} is true or false, not ${shown(text)}`);
}

/**
 * The bytes of a text that is given as `name`, or as `name64` in base64url when it is no UTF-8.
 * @throws StoreError bad-parameter: both are given, or one is malformed.
 */
export function bytesOf(query: Query, name: string): Buffer | undefined {
  const text = textOf(query, name);
  const text64 = textOf(query, `${name}64`);
  if (text !== undefined && text64 !== undefined)
    throw badParameter(name, `Give ${name} or ${name}64, not both`);
  if (text64 !== undefined) return base64urlOf(`${name}64`, text64);
  if (text === undefined) return undefined;
  return Buffer.from(text);
}

/** Canonical or nothing: two spellings of one key would be two names for one resource. @throws StoreError bad-parameter */
export function base64urlOf(parameter: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') === text) return bytes;
  throw badParameter(parameter, `${parameter} is not base64url without padding`);
}

export function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text);
}
