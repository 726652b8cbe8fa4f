/** Every bound of the Redis ports, with its reason and what happens at it. Those of the codec are in libs/redis. */
const KIB = 1024;
const MIB = 1024 * KIB;

/** Replies that wait for a slow reader. At this much, no further command of the connection is started. */
export const OUTPUT_PAUSE_BYTES = MIB;

/** Replies of one connection, one giant reply included. Past it, the connection is closed, as Redis does. */
export const OUTPUT_BYTES_MAX = 256 * MIB;

/** What one command that gathers many values or keys may answer; past it, it answers an error instead. */
export const REPLY_BYTES_MAX = 64 * MIB;

/** A reader that takes nothing for so long, while replies wait for it, is cut off. */
export const OUTPUT_STALL_MS = 60_000;

/** So long a connection that was closed here may take the last replies. */
export const LINGER_MS = 5000;

/** Commands of one connection that are started and not answered. At this many, no further one is started. */
export const PENDING_COMMANDS_MAX = 4096;

/** Bytes of their arguments. Below the queue of the store, so that one pipeline cannot fill that. */
export const PENDING_BYTES_MAX = 4 * MIB;

/** Reads that other workers are asked for by one connection at a time: each may answer with a large value. */
export const PENDING_READS_MAX = 64;

/** Keys that one command reads before others get their turn: a millisecond or two. */
export const KEYS_AT_ONCE_MAX = 256;

/** Transactions that one command has under way: each has up to a thousand operations. */
export const GROUPS_AT_ONCE_MAX = 16;

/** Commands of one connection run so long before the other connections get their turn. */
export const TURN_MS_MAX = 10;

/** What all connections together may hold of requests that are not complete. Past it, the one that asks for more goes. */
export const INCOMPLETE_BYTES_MAX = 512 * MIB;

/** Incomplete requests below this are not counted towards that: they are bounded by the number of clients. */
export const INCOMPLETE_BYTES_FREE = 64 * KIB;

/** Commands of one MULTI, as many as a transaction may have operations: past it, EXEC refuses. */
export const QUEUED_COMMANDS_MAX = 1024;

/** Bytes of their arguments: a transaction is one message and one log entry. */
export const QUEUED_BYTES_MAX = 16 * MIB;

/** Keys that one connection watches. */
export const WATCHED_KEYS_MAX = 512;

/** How far scans have got: the oldest is forgotten past this many. */
export const SCAN_CURSORS_MAX = 16_384;

/** A scan that is not continued for so long is forgotten. */
export const SCAN_CURSOR_MS = 10 * 60_000;

/** Keys in one page that is read for KEYS and its like; between two pages others get their turn. */
export const PAGE_KEYS_MAX = 1000;

/** Pages that one SCAN reads, whatever its COUNT: they may be of other workers, and empty. */
export const SCAN_PAGES_MAX = 128;

/** Keys that COUNTKEYSINSLOT and GETKEYSINSLOT look at; beyond it they answer an error. */
export const SLOT_SCAN_KEYS_MAX = 1_000_000;

/** Clients that are told apart: a connection past the maximum is refused with an error. */
export const CLIENTS_MAX_DEFAULT = 10_000;

/** How often idle and stalled connections are looked for. */
export const SWEEP_MS = 1000;

/** Slow commands that are remembered, and how much of their arguments, as in Redis. */
export const SLOW_LOG_ENTRIES_MAX_DEFAULT = 128;
export const SLOW_LOG_ARGS_MAX = 32;
export const SLOW_LOG_ARG_BYTES_MAX = 128;

/** A client's name, library name and version: they are shown, and kept for the life of the connection. */
export const CLIENT_TEXT_BYTES_MAX = 256;
