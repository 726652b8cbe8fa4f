/** Every bound of the replica host, with its reason. What happens at each bound stands beside its use. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** How often replicas are told the time. Leases and timeouts of the protocol are ten times as long and more. */
export const TICK_MS = 50;

/** Handed to the storage and not durable yet: one round on the disk and one behind it. More waits in our own queue. */
export const HANDED_BYTES_MAX = 8 * MIB;

/** The same as a number of writes. */
export const HANDED_WRITES_MAX = 4096;

/** What was persisted in one turn leaves as one write, up to this size: a round of the storage, no more. */
export const WRITE_BYTES_MAX = 1 * MIB;

/** Waiting to be durable: past it new writes of clients are refused with `too-many-requests`. */
export const ADMIT_BYTES_MAX = 64 * MIB;

/** Waiting to be durable: past it nothing more is read from other primaries, until half of it is gone. */
export const RECEIVE_BYTES_MAX = 128 * MIB;

/** After a refusal by the storage's own queue, which others fill too. */
export const REFUSED_RETRY_MS = 5;

/** Messages kept for a worker while a connection to it is made; beyond, the oldest is dropped: the protocol repeats. */
export const CONNECTING_MESSAGES_MAX = 64;

/** The same in bytes. */
export const CONNECTING_BYTES_MAX = 4 * MIB;

/** How often a write is read for and decided before its client is told to come again. */
export const WRITE_ATTEMPTS_MAX = 4;

/** Clients that wait for a write or a confirmation, all partitions together: past it `too-many-requests`. */
export const CLIENTS_MAX = 65_536;

/** Rows that one step of a sweep looks at: about 2 ms of work, between which requests are served. */
export const SWEEP_ROWS_MAX = 256;

/** A page waits this long for what was committed before it to reach the data. Far beyond any healthy disk. */
export const PAGE_WAIT_MS = 5000;

/** Snapshots that are sent at a time, and received. Each holds old data in the store until it ends. */
export const SNAPSHOTS_OUT_MAX = 2;
export const SNAPSHOTS_IN_MAX = 2;

/** Read for snapshots, all sessions together: a quarter of what one disk and one thread can do, the rest is for clients. */
export const SNAPSHOT_BYTES_PER_SECOND = 64 * MIB;

/** A partition that could not be read as a whole is not read for a snapshot again before. */
export const SNAPSHOT_AGAIN_MS = 5000;

/** A retired replica is kept for this long: a target may come back, and its data with it. */
export const DROP_DELAY_MS = 60_000;

/** A stop waits this long for others to take over. One hand-over takes three round trips and a drain of a second at most. */
export const SHUTDOWN_DEADLINE_MS = 5000;

/** A damaged replica that could not leave takes part again for so long, and then tries again. */
export const LEAVE_AGAIN_MS = 30_000;

/** A bad replica that others cannot replace is kept for so long before they are read through again. */
export const CHECK_AGAIN_MS = 30_000;

/** How much log each replica keeps at least for others to catch up from, whatever its share of the budget. */
export const LOG_BYTES_MIN = 1 * MIB;
