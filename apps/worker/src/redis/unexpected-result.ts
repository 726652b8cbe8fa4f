import { InvariantError } from '@diststore/base';
import type { Result } from '@diststore/data';

/** A programmer's error: an operation ended in a way in which it cannot end. */
export function unexpectedResult(result: Result): InvariantError {
  return new InvariantError('an operation ends in one of its ways', { type: result.type });
}
