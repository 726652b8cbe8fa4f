/**
 * Every operating error of diststore, in one table: what it is called on the wire, how each protocol answers it,
 * whether a retry can help, and what the operator or caller does. `docs/errors.md` is this table for people, and a
 * test keeps the two equal.
 *
 * Absence is not an error (it is `undefined`), and the expected answers of the replication protocol are values.
 * A broken invariant is no operating error either: see invariant.ts.
 *
 * Wire names, never rename: clients match on them.
 */
export interface ErrorKind {
  /** HTTP status (RFC 9110). */
  readonly status: number;
  /** Whether the very same request may succeed later, and is safe to send again. */
  readonly retryable: boolean;
  /** One sentence: what happened. */
  readonly title: string;
  /** One sentence: what to do about it. */
  readonly remedy: string;
}

export const ERRORS = {
  // The request is wrong.
  'bad-request': {
    status: 400,
    retryable: false,
    title: 'The request is malformed.',
    remedy: 'Correct the request as the detail says.',
  },
  'bad-parameter': {
    status: 400,
    retryable: false,
    title: 'A parameter has a value that is not allowed.',
    remedy: 'Correct the parameter that the detail names.',
  },
  'bad-key-encoding': {
    status: 400,
    retryable: false,
    title: 'The key in the URL is not percent-encoded UTF-8.',
    remedy: 'Percent-encode the key as UTF-8, or pass any bytes as base64url: /v1/kv?key64=<key>.',
  },
  'key-empty': {
    status: 400,
    retryable: false,
    title: 'The key is empty.',
    remedy: 'Use a key of 1 to 1024 bytes.',
  },
  'bad-worker-index': {
    status: 400,
    retryable: false,
    title: 'The worker index is not a whole number from 1 to 999.',
    remedy: 'Use an index from 1 to 999.',
  },
  'incomplete-body': {
    status: 400,
    retryable: true,
    title: 'The connection ended before the whole body arrived; nothing was stored.',
    remedy: 'Send the request again.',
  },
  'browser-refused': {
    status: 403,
    retryable: false,
    title: 'A browser sent a request that changes data to a route meant for command-line tools.',
    remedy: 'Use the PUT or DELETE form that the detail names.',
  },
  'legacy-writes-off': {
    status: 403,
    retryable: false,
    title: 'Writing with GET is switched off here.',
    remedy: 'Use the PUT or DELETE form that the detail names, or set legacyGetWrites.',
  },
  'key-not-found': {
    status: 404,
    retryable: false,
    title: 'No value is stored under this key.',
    remedy: 'Store one with PUT /put/<key>/<value>.',
  },
  'route-not-found': {
    status: 404,
    retryable: false,
    title: 'No such route.',
    remedy: 'See the README for the routes.',
  },
  'worker-not-found': {
    status: 404,
    retryable: false,
    title: 'No worker with this index is known.',
    remedy: 'GET /worker/<idx> on the master creates it.',
  },
  'method-not-allowed': {
    status: 405,
    retryable: false,
    title: 'The route exists, but not for this method.',
    remedy: 'Use one of the methods in the Allow header.',
  },
  'request-timeout': {
    status: 408,
    retryable: true,
    title: 'The request did not arrive in time.',
    remedy: 'Send the whole request without long pauses.',
  },
  'worker-refused': {
    status: 409,
    retryable: false,
    title: 'The worker may not join the cluster as it is.',
    remedy:
      'The detail says which rule it breaks: a second process with one index, an older disk, or another cluster.',
  },
  'address-in-use': {
    status: 409,
    retryable: false,
    title: 'The port or the data directory is taken by another process.',
    remedy: 'Stop that process, or choose another port or directory.',
  },
  'precondition-failed': {
    status: 412,
    retryable: false,
    title: 'A condition of the request does not hold for what is stored; nothing was changed.',
    remedy: 'Read the key, and decide anew with the version that the answer names.',
  },
  'value-too-large': {
    status: 413,
    retryable: false,
    title: 'The value is larger than the limit.',
    remedy: 'Store a smaller value, or raise maxValueBytes.',
  },
  'key-too-long': {
    status: 414,
    retryable: false,
    title: 'The key is longer than 1024 bytes.',
    remedy: 'Use a shorter key, for example a hash of the long one.',
  },
  'unsupported-content-encoding': {
    status: 415,
    retryable: false,
    title: 'The body is compressed or otherwise encoded; nothing was stored.',
    remedy: 'Send the body as it is, without a Content-Encoding.',
  },
  'cross-slot': {
    status: 422,
    retryable: false,
    title: 'The keys of one atomic operation are not all in one partition.',
    remedy:
      'Give the keys a common hash tag, as in {user1}:name and {user1}:mail, or use one operation for each.',
  },
  'request-id-reused': {
    status: 422,
    retryable: false,
    title: 'This request id was used before, for something else; nothing was changed.',
    remedy: 'Use a new Idempotency-Key for each request, and the same one only to repeat that request.',
  },
  'too-many-requests': {
    status: 429,
    retryable: true,
    title: 'Too much is under way at the same time; nothing was done.',
    remedy: 'Slow down and retry; the Retry-After header says when.',
  },
  'headers-too-large': {
    status: 431,
    retryable: false,
    title: 'The request line and headers are larger than the limit.',
    remedy: 'Send the value in the body (PUT /put/<key>), or raise maxHeaderBytes.',
  },
  // The service is at fault, or not ready.
  internal: {
    status: 500,
    retryable: false,
    title: 'An unexpected error; the log of this process has the details.',
    remedy: 'Report it with the log lines.',
  },
  'record-corrupt': {
    status: 500,
    retryable: false,
    title: 'A stored record fails its checksum and is not served.',
    remedy: 'Restore the record from a backup or write it again; check the disk.',
  },
  'retry-later': {
    status: 503,
    retryable: true,
    title: 'The data cannot be served at this moment.',
    remedy: 'Retry; the Retry-After header says when.',
  },
  'too-few-replicas': {
    status: 503,
    retryable: true,
    title: 'Fewer replicas are in sync than a write needs; nothing was changed, and reads go on.',
    remedy:
      'Retry when workers are back; the detail says how many replicas are in sync and how many are needed.',
  },
  draining: {
    status: 503,
    retryable: true,
    title: 'This process is shutting down.',
    remedy: 'Retry on another worker, or when this one is back.',
  },
  'no-worker': {
    status: 503,
    retryable: true,
    title: 'No worker is serving.',
    remedy: 'Create one with GET /worker/<idx> on the master.',
  },
  'worker-start-timeout': {
    status: 504,
    retryable: true,
    title: 'The worker did not begin to serve in time.',
    remedy: 'Read its last log lines, which the answer holds.',
  },
  'outcome-unknown': {
    status: 504,
    retryable: false,
    title: 'The write was sent, but whether it was done is not known.',
    remedy:
      'If it had an Idempotency-Key, send it again with that; otherwise read the key back before writing again.',
  },
  'disk-full': {
    status: 507,
    retryable: true,
    title: 'The free disk space is at its reserve, so nothing new is stored; reads and deletes go on.',
    remedy: 'Free disk space or delete keys.',
  },
  // The store cannot be opened or went away: these end a process, they are rarely answers.
  'store-locked': {
    status: 503,
    retryable: true,
    title: 'Another process has this data directory open.',
    remedy: 'Stop that process, or choose another directory with --data-dir.',
  },
  'store-unusable': {
    status: 503,
    retryable: false,
    title: 'The data directory cannot be used.',
    remedy: 'Check that it exists, is writable, and has free space.',
  },
  'store-corrupt': {
    status: 500,
    retryable: false,
    title: 'The data directory is damaged, and serving from it could give wrong data.',
    remedy: 'Move it aside and restore a backup, or start with an empty directory.',
  },
  'store-format': {
    status: 500,
    retryable: false,
    title: 'The data directory was written by another program, version or worker.',
    remedy: 'Use the directory with what wrote it, or choose another one with --data-dir.',
  },
  'store-closed': {
    status: 503,
    retryable: true,
    title: 'The store is closed.',
    remedy: 'Retry on another worker, or when this one is back.',
  },
  'store-failed': {
    status: 504,
    retryable: false,
    title: 'Writing to disk failed, so whether the last writes are stored is not known; the process stops.',
    remedy: 'Check the disk; the process recovers what is durable when it starts again.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

export interface StoreErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts for logs and answers: lengths, limits, paths. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** An operating error. Match on `code`, not on the class: the error may have crossed a process. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly facts: Readonly<Record<string, unknown>>;

  /** @param detail what happened this time, with its numbers; the general sentence comes from the table. */
  constructor(
    readonly code: ErrorCode,
    detail: string,
    options: StoreErrorOptions = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.facts = options.facts ?? {};
  }

  get kind(): ErrorKind {
    return ERRORS[this.code];
  }

  get retryable(): boolean {
    return this.kind.retryable;
  }
}

/** Whether `error` is a StoreError, with this code if one is given. */
export function isStoreError(error: unknown, code?: ErrorCode): error is StoreError {
  return (
    error instanceof Error &&
    error.name === 'StoreError' &&
    'code' in error &&
    (code === undefined ? (error.code as string) in ERRORS : error.code === code)
  );
}
