/**
 * What clients asked and were told, on one clock, and whether it could have come from one register per key: every
 * acknowledged write there until it was overwritten, every read the newest value.
 */
import { problemOfHistory } from '../simulation/linearizability.js';
import type { Operation } from '../simulation/linearizability.js';

export interface Recorded extends Operation {
  readonly key: string;
  readonly client: number;
  /** The worker that was asked. */
  readonly worker: number;
  /** Of an acknowledged write, where the answer says so. */
  readonly partition: number | undefined;
}

export interface Violation {
  readonly key: string;
  readonly problem: string;
}

/** Longest time without an acknowledged write in one partition. */
export interface Gap {
  readonly partition: number;
  readonly ms: number;
  /** When it began, on the history's clock. */
  readonly fromMs: number;
}

export class History {
  private readonly byKey = new Map<string, Recorded[]>();
  private readonly acknowledged = new Map<number, number[]>();
  operations = 0;
  acknowledgedWrites = 0;
  unknown = 0;
  failed = 0;
  /** How many failed with which status. */
  readonly failures = new Map<number, number>();

  add(operation: Recorded): void {
    this.operations += 1;
    if (!operation.certain) this.unknown += 1;
    const { key, type, partition, end } = operation;
    const list = this.byKey.get(key);
    if (list === undefined) this.byKey.set(key, [operation]);
    else list.push(operation);
    if (!operation.certain || type === 'read' || type === 'reject') return;
    this.acknowledgedWrites += 1;
    if (partition === undefined) return;
    const times = this.acknowledged.get(partition);
    if (times === undefined) this.acknowledged.set(partition, [end]);
    else times.push(end);
  }

  /** Something that certainly did not happen: it says nothing of the data. `status`: 0 where nobody answered. */
  addFailure(status: number): void {
    this.operations += 1;
    this.failed += 1;
    this.failures.set(status, (this.failures.get(status) ?? 0) + 1);
  }

  /** All that cannot be explained. */
  violations(): Violation[] {
    return [...this.byKey].flatMap(([key, operations]) => {
      const problem = problemOfHistory([...operations]);
      return problem === undefined ? [] : [{ key, problem }];
    });
  }

  /** The longest gap of each partition within `fromMs` to `toMs`, the longest first. */
  gaps(fromMs: number, toMs: number): Gap[] {
    const gaps = [...this.acknowledged].map(([partition, times]): Gap => {
      const inside = times.filter((time) => time >= fromMs && time <= toMs).sort((a, b) => a - b);
      let longest: Gap = { partition, ms: 0, fromMs };
      let before = fromMs;
      for (const time of [...inside, toMs]) {
        if (time - before > longest.ms) longest = { partition, ms: time - before, fromMs: before };
        before = time;
      }
      return longest;
    });
    return gaps.sort((a, b) => b.ms - a.ms);
  }

  /** One line of JSON for each operation, by key and call. */
  *lines(): Generator<string> {
    for (const operations of this.byKey.values()) {
      for (const operation of operations) {
        yield JSON.stringify({ ...operation, end: operation.end === Infinity ? null : operation.end });
      }
    }
  }
}
