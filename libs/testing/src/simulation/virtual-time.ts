/** Virtual time: what is to happen, in order of time, and of scheduling within one instant. */
interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  /** True time, which no simulated process can see. */
  nowMs = 0;
  private readonly heap: Scheduled[] = [];
  private order = 0;

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  at(atMs: number, run: () => void): void {
    this.order += 1;
    const { heap } = this;
    heap.push({ atMs: Math.max(atMs, this.nowMs), order: this.order, run });
    let i = heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(heap[i] as Scheduled, heap[parent] as Scheduled)) break;
      swap(heap, i, parent);
      i = parent;
    }
  }

  /** Runs everything up to and including `untilMs`. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return;
    heap[0] = last;
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && isBefore(heap[child] as Scheduled, heap[least] as Scheduled))
          least = child;
      }
      if (least === i) return;
      swap(heap, i, least);
      i = least;
    }
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function swap(heap: Scheduled[], i: number, j: number): void {
  const t = heap[i] as Scheduled;
  heap[i] = heap[j] as Scheduled;
  heap[j] = t;
}
