/**
 * Whether this process should be sent requests: the answer of /readyz. The application registers named checks; all
 * must pass, and none does while the process drains.
 *
 * Not for liveness: a process that is not ready is not to be restarted.
 */
import { Injectable } from '@nestjs/common';

import { invariant } from '@diststore/base';

/** @returns undefined when it passes, otherwise the reason, shown to whoever asks. Cheap and synchronous. */
export type ReadinessCheck = () => string | undefined;

export interface ReadinessReport {
  readonly ready: boolean;
  /** One line for each check in the order of registration: `[+]name ok` or `[-]name failed: reason`. */
  readonly lines: readonly string[];
}

@Injectable()
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private draining = false;

  /** REQUIRES: no check is called `name` yet. */
  add(name: string, check: ReadinessCheck): void {
    invariant(!this.checks.has(name), 'each readiness check has its own name', { name });
    this.checks.set(name, check);
  }

  /** From now on the process is not ready. Called first when it stops, so that balancers look elsewhere. */
  drain(): void {
    this.draining = true;
  }

  report(): ReadinessReport {
    const failures = [...this.checks].map(([name, check]) => [name, reasonOf(check)] as const);
    if (this.draining) failures.push(['shutdown', 'draining']);
    return {
      ready: failures.every(([, reason]) => reason === undefined),
      lines: failures.map(([name, reason]) =>
        reason === undefined ? `[+]${name} ok` : `[-]${name} failed: ${reason}`,
      ),
    };
  }
}

/** A check that throws has failed; its message may hold anything, so it is not shown. */
function reasonOf(check: ReadinessCheck): string | undefined {
  try {
    return check();
  } catch {
    return 'the check itself failed';
  }
}
