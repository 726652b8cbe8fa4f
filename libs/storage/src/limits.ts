/** Every bound of the storage library, with its reason. What happens at each bound stands beside its use. */

/** A key is 1 to 1024 bytes: long enough for a path or a hash, short enough that an index block holds many. */
export const KEY_BYTES_MAX = 1024;

/** A content type longer than this is refused: registered ones are below 128 bytes, parameters included. */
export const CONTENT_TYPE_BYTES_MAX = 255;

/** A round closes at this size: a larger one would make the small writes behind it wait for its fsync. */
export const ROUND_BYTES_MAX = 4 * 1024 * 1024;

/** A round closes at this many writes: about 20 ms of work for LevelDB. */
export const ROUND_WRITES_MAX = 4096;

/** Writes waiting for a round, in bytes: past it, a write is refused with `too-many-requests`. */
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** Writes waiting for a round, in number: past it, a write is refused with `too-many-requests`. */
export const QUEUE_WRITES_MAX = 65_536;

/** One page of a range read. LevelDB's binding hands over at most 1000 entries per step, so more gains nothing. */
export const PAGE_ENTRIES_MAX = 1000;

/** One page of a range read ends at the first entry that takes it past this size. */
export const PAGE_BYTES_MAX = 1024 * 1024;
