export type { Clock, Random } from './clock.js';
export { ERRORS, isStoreError, StoreError } from './errors.js';
export type { ErrorCode, ErrorKind, StoreErrorOptions } from './errors.js';
export { EXIT } from './exit-codes.js';
export { invariant, InvariantError, unreachable } from './invariant.js';
export { VERSION } from './version.js';
