/**
 * Programmer errors. A broken invariant means that the process no longer knows what is true, so nobody catches
 * it: the process logs its state and exits, and replication covers for it.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';

  constructor(
    readonly mustHold: string,
    readonly facts: Readonly<Record<string, unknown>>,
  ) {
    super(
      `Invariant broken: ${mustHold} ${JSON.stringify(facts, (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v))}`,
    );
  }
}

/**
 * Asserts what must hold. On in production: the check is cheaper than the wrong answer.
 * @throws InvariantError with `facts`, which should be enough to understand the failure from a log line alone.
 */
export function invariant(
  condition: boolean,
  mustHold: string,
  facts: Readonly<Record<string, unknown>> = {},
): asserts condition {
  if (!condition) throw new InvariantError(mustHold, facts);
}

/** The `default` branch of an exhaustive switch: compiles only while every case is handled. */
export function unreachable(value: never): never {
  throw new InvariantError('every case is handled', { value });
}
