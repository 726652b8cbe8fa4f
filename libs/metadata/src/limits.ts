/** Every bound of the metadata library, with its reason. What happens at each bound stands beside its use. */
import { invariant } from '@diststore/base';

// Bounds of the port, within what etcd 3 takes by default: a request of 1.5 MiB and 128 operations.

/** A name such as `conf/16383` is short; this leaves room for a prefix per cluster in a shared etcd. */
export const NAME_LENGTH_MAX = 255;

/** One record. The largest of diststore, a worker with its labels or a configuration, stays below 4 KiB. */
export const VALUE_BYTES_MAX = 256 * 1024;

/** Compares of one commit, and changes of one commit: etcd's `--max-txn-ops`, which counts each list by itself. */
export const COMMIT_OPERATIONS_MAX = 128;

/** Names and values of one commit together: etcd's `--max-request-bytes` of 1.5 MiB, less room for its framing. */
export const COMMIT_BYTES_MAX = 1024 * 1024;

/** How often lapsed leases are looked for, and so how much longer than its TTL a lease may live. As etcd's. */
export const LEASE_CHECK_MS = 500;

/** The shortest lease outlives a check. A provider may grant a longer one and says so: etcd's minimum is about 2 s. */
export const LEASE_TTL_MS_MIN = 2 * LEASE_CHECK_MS;

/** A day. Whoever needs a record for longer than that after its owner's death wants a record without a lease. */
export const LEASE_TTL_MS_MAX = 24 * 60 * 60 * 1000;

// Bounds of the LevelDB provider, which holds everything in memory.

/** All records together. A thousand workers and 16,384 partitions take about 32 MiB. */
export const STORE_BYTES_MAX = 256 * 1024 * 1024;

/** Commits kept for watchers that are behind: minutes of a busy reconfiguration. */
export const HISTORY_COMMITS_MAX = 10_000;

/** The same in bytes of the records as they became, for commits of many large ones. */
export const HISTORY_BYTES_MAX = 32 * 1024 * 1024;

/** Watchers at a time: one of the configuration manager's own, one per worker (999), and tools. */
export const WATCHERS_MAX = 4096;

/** Leases at a time. Each costs a timer's look, twice a second. */
export const LEASES_MAX = 4096;

invariant(NAME_LENGTH_MAX + VALUE_BYTES_MAX <= COMMIT_BYTES_MAX, 'the largest record fits one commit');
invariant(COMMIT_BYTES_MAX <= HISTORY_BYTES_MAX, 'the history holds the largest commit');
