/** Which keys an operation names: what it reads, compares or writes. */
import { unreachable } from '@diststore/base';

import type { Operation } from './operation.js';

/** Every key it reads or writes, each once, in the order in which they are named. A clear names none. */
export function keysOf(operation: Operation): Buffer[] {
  switch (operation.type) {
    case 'clear':
      return [];
    case 'transaction': {
      const { compare, then, otherwise } = operation;
      return distinct([...compare.map(({ key }) => key), ...then.flatMap(keysOf), ...otherwise.flatMap(keysOf)]);
    }
    case 'bit-operation':
      return distinct([operation.key, ...operation.sources]);
    case 'copy':
      return distinct([operation.from, operation.key]);
    case 'get':
    case 'put':
    case 'delete':
    case 'set-expiry':
    case 'add':
    case 'add-decimal':
    case 'append':
    case 'set-range':
    case 'set-bit':
    case 'bit-field':
      return [operation.key];
    default:
      return unreachable(operation);
  }
}

function distinct(keys: readonly Buffer[]): Buffer[] {
  return [...new Map(keys.map((key) => [key.toString('latin1'), key])).values()];
}
