/**
 * What the clients of a store know for certain about it, and what a restart may therefore show.
 *
 * For each key: the last acknowledged write, and the writes that were sent and not answered, any of which may have
 * been done or not. So a key shows the acknowledged value under the acknowledged version, or the value of an
 * unanswered write under a higher one. Anything else is a broken promise.
 */

/** Undefined: no value. */
export type Value = string | undefined;

export interface Attempt {
  readonly key: string;
  readonly value: Value;
  /** The version that was acknowledged before it was sent: its own has to be higher. */
  readonly above: number;
}

interface Known {
  acknowledged: { version: number; value: Value };
  readonly open: Set<Attempt>;
}

export class Ledger {
  private readonly known = new Map<string, Known>();

  get keys(): string[] {
    return [...this.known.keys()];
  }

  /** Of writes that were sent and not answered. */
  get openCount(): number {
    return [...this.known.values()].reduce((sum, { open }) => sum + open.size, 0);
  }

  /** To be called before the write is sent. */
  attempt(key: string, value: Value): Attempt {
    const known = this.knownOf(key);
    const attempt = { key, value, above: known.acknowledged.version };
    known.open.add(attempt);
    return attempt;
  }

  /** The write is done. @throws Error: its version is not higher than one that was acknowledged before. */
  acknowledge(attempt: Attempt, version: number): void {
    const { acknowledged, open } = this.knownOf(attempt.key);
    open.delete(attempt);
    if (!(version > attempt.above))
      throw new Error(`${attempt.key}: version ${version} after version ${attempt.above}`);
    // Answers to writes at the same time may overtake each other.
    if (version > acknowledged.version) Object.assign(acknowledged, { version, value: attempt.value });
  }

  /** It was a delete, and there was nothing to delete. */
  withdraw(attempt: Attempt): void {
    this.knownOf(attempt.key).open.delete(attempt);
  }

  /**
   * Judges what a key shows after a restart, and takes it for the truth from then on.
   * @param found undefined: the key has no value.
   * @returns which unanswered write was done, if any.
   * @throws Error: what is found cannot be.
   */
  check(key: string, found: { version: number; value: string } | undefined): Attempt | undefined {
    const { acknowledged, open } = this.knownOf(key);
    const attempts = [...open];
    open.clear();
    const described = `expected ${describe(acknowledged)}, found ${describe(found)}`;
    if (found === undefined) {
      if (acknowledged.value === undefined) return undefined;
      const done = attempts.find(({ value }) => value === undefined);
      if (done === undefined) throw new Error(`${key} is lost: ${described}`);
      acknowledged.value = undefined;
      return done;
    }
    if (found.version < acknowledged.version) throw new Error(`${key} went back: ${described}`);
    if (found.version === acknowledged.version) {
      if (found.value !== acknowledged.value) throw new Error(`${key} has another value: ${described}`);
      return undefined;
    }
    const done = attempts.find(({ value }) => value === found.value);
    if (done === undefined) throw new Error(`${key} has a value that nobody sent: ${described}`);
    Object.assign(acknowledged, found);
    return done;
  }

  private knownOf(key: string): Known {
    let known = this.known.get(key);
    if (known === undefined) {
      known = { acknowledged: { version: 0, value: undefined }, open: new Set() };
      this.known.set(key, known);
    }
    return known;
  }
}

const SHOWN_CHARS = 30;

function describe(state: { version: number; value: Value } | undefined): string {
  if (state?.value === undefined)
    return `no value${state === undefined ? '' : ` at version ${state.version}`}`;
  const { version, value } = state;
  const shown = value.length > SHOWN_CHARS ? `${value.slice(0, SHOWN_CHARS)}… (${value.length})` : value;
  return `version ${version}: ${shown}`;
}
