/** Waits for what must become true, without sleeping for a guessed time. */
const DEADLINE_MS = 10_000;

/** Looks at `condition` once per turn of the event loop. @throws Error when it stays false for too long. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineAtMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadlineAtMs) throw new Error(`still waiting: ${what}`);
    await turn();
  }
}

/** The next turn of the event loop, after timers and sockets. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What a test has opened; closed in reverse when it ends. */
export class Cleanup {
  private readonly steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.steps.splice(0).reverse()) await step();
  }
}
