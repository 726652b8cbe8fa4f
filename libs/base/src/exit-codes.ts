/**
 * Exit codes with which a process tells its supervisor why it could not serve. Where an errno names the same thing,
 * its number is used.
 */
export const EXIT = {
  ok: 0,
  /** Unexpected: the log has the reason. */
  failure: 1,
  /** Wrong flags or settings: starting again will not help. */
  usage: 2,
  /** The data directory is open in another process. */
  storeLocked: 11,
  /** The data directory is damaged, foreign or not writable. */
  storeUnusable: 13,
  /** The master refused this worker for good. */
  refused: 77,
  /** The port is taken. */
  addressInUse: 98,
} as const;
