/**
 * Schemas for the usual kinds of option. Each reads text, as flags and environment hold it, and describes in words
 * what it allows: problems, `--help` and the README quote that description.
 *
 * Other kinds are any zod schema that reads a string: `z.url().describe('a URL')`. Not `z.coerce.number()`, which
 * reads `''` as 0, `'0x10'` as 16 and `' 5 '` as 5.
 */
import { z } from 'zod';

/** A schema that reads text. */
export type TextSchema<T = unknown> = z.ZodType<T, string>;

export function integer(range: { readonly min: number; readonly max?: number }): TextSchema<number> {
  const { min, max } = range;
  const number = z.int().min(min);
  return max === undefined
    ? digits.pipe(number).describe(`a whole number, ${min} or more`)
    : digits.pipe(number.max(max)).describe(`a whole number from ${min} to ${max}`);
}

/** Sixteen digits hold every safe integer; `z.int` refuses the unsafe ones among them. */
const digits = z
  .string()
  .regex(/^-?\d{1,16}$/)
  .transform(Number);

export const port: TextSchema<number> = integer({ min: 1, max: 65535 }).describe('a port from 1 to 65535');

export function choice<const T extends string>(...words: readonly [T, ...T[]]): TextSchema<T> {
  return z.enum(words).describe(words.join(' or '));
}

export const yesOrNo: TextSchema<boolean> = z
  .stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] })
  .describe('true or false');
