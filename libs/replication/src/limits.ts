/** Every bound of the replication library, with its reason. What happens at each bound stands beside its use. */

/** Entries prepared but not committed: past it a write is answered `retry-later`, so memory and failover stay bounded. */
export const WINDOW_ENTRIES_MAX = 8192;

/** The same in bytes: two writes of the largest value and a crowd of small ones. */
export const WINDOW_BYTES_MAX = 64 * 1024 * 1024;

/** One PREPARE ends at the entry that takes it past this size, so that a beacon never waits long behind it. */
export const PREPARE_BYTES_MAX = 1024 * 1024;

/** One PREPARE holds at most this many entries: about a millisecond of work for the receiver. */
export const PREPARE_ENTRIES_MAX = 1024;

/** Entries on their way to one peer: past it the stream waits for acknowledgements. */
export const STREAM_ENTRIES_MAX = 4096;

/** The same in bytes, beyond the first entry. */
export const STREAM_BYTES_MAX = 8 * 1024 * 1024;

/** Chunks of a snapshot on their way: enough to hide one round trip and one fsync. */
export const SNAPSHOT_CHUNKS_IN_FLIGHT = 4;

/** What a host should put into one chunk; a single larger row travels alone. */
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024;

/** Rows of one chunk. */
export const SNAPSHOT_CHUNK_ROWS_MAX = 16_384;

/** Requests that wait for one confirmation round. Past it they are refused, and their clients try again. */
export const CONFIRMATIONS_MAX = 65_536;

/** Answers that wait for an entry they looked at to be committed. Past it they are refused. */
export const HELD_ANSWERS_MAX = 65_536;

/** Operations of one entry: a request that names more keys is refused at the edge. */
export const ENTRY_OPS_MAX = 16_384;

/** Epochs of one log as INSTALL lists them. A log with more has been trimmed of its oldest before. */
export const SEGMENTS_MAX = 4096;

/** Largest message of any kind: one entry of the largest value with its key and header, and room to spare. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** Partitions listed in one beacon. */
export const BEACON_ITEMS_MAX = 16_384;

/** A key, as everywhere. */
export const KEY_BYTES_MAX = 1024;

/** A content type, as in stored records. */
export const CONTENT_TYPE_BYTES_MAX = 255;

/** The result of a request, kept in its entry and in the duplicate table: a receipt, never a value. */
export const RESULT_BYTES_MAX = 64 * 1024;
