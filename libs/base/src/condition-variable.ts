/** Waiting for something to become true, without polling: whoever changes what waiters look at calls `wake`. */

/** Ends a wait: the part of an AbortSignal that is needed here, where no library of the platform is known. */
export interface WaitSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export class ConditionVariable {
  private readonly waiting = new Set<() => void>();

  /** Resolves with true as soon as `holds` does, with false when `signal` is aborted first. */
  async until(holds: () => boolean, signal: WaitSignal): Promise<boolean> {
    while (!holds()) {
      if (signal.aborted) return false;
      await this.untilWoken(signal);
    }
    return true;
  }

  /** Every waiter looks again. */
  wake(): void {
    for (const done of [...this.waiting]) done();
  }

  private untilWoken(signal: WaitSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }
}
