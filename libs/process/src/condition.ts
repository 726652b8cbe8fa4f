/**
 * Waiting for something to become true, without polling: whoever changes what conditions look at calls `wake`, and
 * every waiter looks again. What in other languages is a condition variable.
 */
export class Condition {
  private readonly waiting = new Set<() => void>();

  /** Resolves with true as soon as `holds` does, with false when `signal` is aborted first. */
  async until(holds: () => boolean, signal: AbortSignal): Promise<boolean> {
    while (!holds()) {
      if (signal.aborted) return false;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.waiting.add(done);
        signal.addEventListener('abort', done);
      });
    }
    return true;
  }

  wake(): void {
    for (const done of [...this.waiting]) done();
  }
}
