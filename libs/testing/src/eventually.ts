/** Waiting for a condition of another process, which has no event to wait for: ask until it holds or time is up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface WaitOptions {
  readonly deadlineMs?: number;
  /** Added to the error when time is up. */
  readonly context?: () => string;
}

/** Ten times what the slowest start took on two busy cores. A wait that succeeds takes no longer than it must. */
export const WAIT_MS = 30_000;
const ASK_EVERY_MS = 20;

/**
 * Asks `probe` until it answers something else than undefined or false, and resolves with that. A probe that throws
 * has not succeeded yet.
 * @param what completes the sentence "waited in vain until …".
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  { deadlineMs = WAIT_MS, context }: WaitOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw vainly(what, { deadlineMs, cause: last, context });
    await sleep(ASK_EVERY_MS);
  }
}

/** Resolves as `work` does, or rejects when it has not within the deadline. */
export async function within<T>(
  what: string,
  work: Promise<T>,
  { deadlineMs = WAIT_MS, context }: WaitOptions = {},
): Promise<T> {
  const over = new AbortController();
  const timeout = sleep(deadlineMs, undefined, { signal: over.signal }).then(() => {
    throw vainly(what, { deadlineMs, context });
  });
  // Aborted when `work` is done first; nobody waits for it then.
  timeout.catch(() => undefined);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    over.abort();
  }
}

function vainly(
  what: string,
  {
    deadlineMs,
    cause,
    context,
  }: { deadlineMs: number; cause?: unknown; context: (() => string) | undefined },
): Error {
  const details =
    cause === undefined ? '' : `\nLast error: ${cause instanceof Error ? cause.message : inspect(cause)}`;
  return new Error(`Waited ${deadlineMs} ms in vain until ${what}.${details}\n${context?.() ?? ''}`);
}
