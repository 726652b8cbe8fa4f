export type { Clock, Random } from './clock.js';
export { ERRORS, isStoreError, StoreError } from './errors.js';
export type { ErrorCode, ErrorKind, StoreErrorOptions } from './errors.js';
export { EXIT } from './exit-codes.js';
export { addInt64, INT64_MAX, INT64_MIN, parseInt64, toInt64 } from './int64.js';
export type { Int64 } from './int64.js';
export { invariant, InvariantError, unreachable } from './invariant.js';
export { VERSION } from './version.js';
