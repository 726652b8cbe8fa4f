/**
 * Reads one JSON object field by field, strictly: what is missing, malformed or unknown is refused with a reason that
 * names the field. An unknown field is refused because whoever reads a record, changes it and writes it back would
 * silently lose it; a format that gains a field gets a new version instead.
 *
 * Decoders built on this go to a fixed depth and never recurse, so no input can exhaust the stack, and every list is
 * bounded before it is read.
 */
import { StoreError } from '@diststore/base';

import { isWholeNumber } from './ids.js';

export type Json = Readonly<Record<string, unknown>>;

/** The version of every record and message of this library; also persisted. */
export const FORMAT_VERSION = 1;

export class Fields {
  private readonly fields: Json;

  /**
   * @param path says where the value is, for error messages.
   * @param names all fields that it may have.
   * @throws StoreError bad-request
   */
  constructor(
    value: unknown,
    private readonly path: string,
    names: readonly string[],
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw malformed(path, 'is not an object');
    this.fields = value as Json;
    const stranger = Object.keys(value).find((name) => !names.includes(name));
    // Cut short, because a peer chooses it.
    if (stranger !== undefined)
      throw malformed(path, `has an unknown field, ${JSON.stringify(stranger.slice(0, 40))}`);
  }

  /** A versioned record: `v` must be there and known. */
  static versioned(value: unknown, path: string, names: readonly string[]): Fields {
    // The version comes first: the fields of another version are not known.
    if (typeof value === 'object' && value !== null && 'v' in value && value.v !== FORMAT_VERSION)
      throw malformed(`${path}.v`, `is not ${FORMAT_VERSION}, the only version known here`);
    const fields = new Fields(value, path, ['v', ...names]);
    fields.take('v', (v): v is number => v === FORMAT_VERSION, String(FORMAT_VERSION));
    return fields;
  }

  /** @param what completes "is not …". */
  take<T>(name: string, isValid: (value: unknown) => value is T, what: string): T {
    const value = this.fields[name];
    if (!isValid(value)) throw malformed(`${this.path}.${name}`, `is not ${what}`);
    return value;
  }

  wholeNumber(name: string, range: { min: number; max: number }): number {
    const isInRange = (value: unknown): value is number => isWholeNumber(value, range);
    return this.take(name, isInRange, `a whole number from ${range.min} to ${range.max}`);
  }

  text(name: string, lengthMax: number): string {
    const isShort = (value: unknown): value is string =>
      typeof value === 'string' && value.length <= lengthMax;
    return this.take(name, isShort, `a text of at most ${lengthMax} characters`);
  }

  flag(name: string): boolean {
    return this.take(name, (value): value is boolean => typeof value === 'boolean', 'true or false');
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const isChoice = (value: unknown): value is T => (choices as readonly unknown[]).includes(value);
    return this.take(name, isChoice, `one of ${choices.join(', ')}`);
  }

  /** Decodes the field by a function that is told where it is. */
  nested<T>(name: string, decode: (value: unknown, path: string) => T): T {
    return decode(this.fields[name], `${this.path}.${name}`);
  }

  nullable<T>(name: string, decode: (value: unknown, path: string) => T): T | null {
    return this.fields[name] === null ? null : this.nested(name, decode);
  }

  /** As `nullable`, for a field that a sender may leave out. */
  optional<T>(name: string, decode: (value: unknown, path: string) => T): T | null {
    return this.fields[name] === undefined ? null : this.nullable(name, decode);
  }

  list<T>(name: string, lengthMax: number, decode: (value: unknown, path: string) => T): T[] {
    const value = this.fields[name];
    if (!Array.isArray(value) || value.length > lengthMax)
      throw malformed(`${this.path}.${name}`, `is not a list of at most ${lengthMax}`);
    return Array.from(value as unknown[], (item, i) => decode(item, `${this.path}.${name}[${i}]`));
  }

  /** Refuses what is well-formed but cannot be: the reason comes from the record's own rules. */
  require(problem: string | undefined): void {
    if (problem !== undefined) throw this.refusal(problem);
  }

  refusal(problem: string): StoreError {
    return malformed(this.path, `is refused: ${problem}`);
  }
}

/** @throws StoreError bad-request unless `value` is what it should be. */
export function expectValue<T>(
  value: unknown,
  path: string,
  isValid: (value: unknown) => value is T,
  what: string,
): T {
  if (!isValid(value)) throw malformed(path, `is not ${what}`);
  return value;
}

function malformed(path: string, problem: string): StoreError {
  return new StoreError('bad-request', `${path} ${problem}`, { facts: { field: path } });
}
