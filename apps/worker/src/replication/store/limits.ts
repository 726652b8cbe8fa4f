/** Every bound of a replica's store, with its reason. What happens at each bound stands beside its use. */

/** How long the result of a finished request is kept, at least, for a client that did not hear it. */
export const REQUEST_TTL_MS = 600_000;

/**
 * Results of requests further back than this many entries go before their time: about 100 MiB of rows, which a
 * partition reaches within REQUEST_TTL_MS at 1,700 requests a second.
 */
export const REQUEST_ENTRIES_MAX = 1_048_576;

/** Rows that one step of a sweep looks at: about 2 ms of work, between which requests are served. */
export const SWEEP_ROWS_MAX = 256;

/** Rows that one batch of erasing deletes: a page, of which reading takes longer than deleting. */
export const ERASE_ROWS_MAX = 1000;

/** Rows that a write deletes because the log was trimmed: about 4 ms of work. The sweep removes what is beyond. */
export const TRIM_ROWS_MAX = 4096;
