export type { Clock, Random } from './clock.js';
export { ERRORS, isStoreError, StoreError } from './errors.js';
export type { ErrorCode, ErrorKind, StoreErrorOptions } from './errors.js';
export { invariant, InvariantError, unreachable } from './invariant.js';
