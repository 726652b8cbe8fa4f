/**
 * Operating errors as error replies: the one place where a StoreError becomes a prefix that clients act on.
 *
 *   TRYAGAIN     nothing happened; clients of a cluster try again by themselves
 *   NOREPLICAS   nothing happened: too few replicas are in sync
 *   UNKNOWN      it may have happened; no client retries this prefix by itself, which is its purpose
 *   OOM          nothing happened: the disk is full; reads and deletes go on
 *   CLUSTERDOWN  nothing happened: this worker stops or has no store
 */
import { isStoreError, type StoreError } from '@diststore/base';
import type { FailureReason } from '@diststore/data';
import {
  CROSS_SLOT_ERROR,
  errorReply,
  type ErrorReply,
  FLOAT_ERROR,
  INTEGER_ERROR,
  NAN_OR_INFINITY_ERROR,
  OVERFLOW_ERROR,
  VALUE_TOO_LARGE_ERROR,
} from '@diststore/redis';

/** Undefined when `error` is no operating error but a programmer's. */
export function errorReplyOf(error: unknown): ErrorReply | undefined {
  return isStoreError(error) ? replyOf(error) : undefined;
}

function replyOf(error: StoreError): ErrorReply {
  // A word of the table by which another version may know more codes than this one.
  const code: string = error.code;
  switch (code) {
    case 'retry-later':
    case 'too-many-requests':
    case 'no-worker':
      return errorReply(`TRYAGAIN ${error.message}`);
    case 'too-few-replicas':
      return errorReply(`NOREPLICAS ${error.message}`);
    case 'outcome-unknown':
    case 'store-failed':
      return errorReply(`UNKNOWN ${error.message} Read the key back before writing again.`);
    case 'disk-full':
      return errorReply(`OOM command not allowed: ${error.message}`);
    case 'draining':
    case 'store-closed':
      return errorReply(`CLUSTERDOWN ${error.message}`);
    case 'cross-slot':
      return CROSS_SLOT_ERROR;
    case 'value-too-large':
      return VALUE_TOO_LARGE_ERROR;
    default:
      return errorReply(`ERR ${error.message}`);
  }
}

/** Why an operation could not be done with the value that is there, in Redis's words. */
export function failureReply(reason: FailureReason): ErrorReply {
  switch (reason) {
    case 'not-an-integer':
      return INTEGER_ERROR;
    case 'not-a-number':
      return FLOAT_ERROR;
    case 'overflow':
      return OVERFLOW_ERROR;
    case 'not-finite':
      return NAN_OR_INFINITY_ERROR;
    case 'too-large':
      return VALUE_TOO_LARGE_ERROR;
  }
}
