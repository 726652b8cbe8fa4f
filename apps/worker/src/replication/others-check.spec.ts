import { beforeEach, describe, expect, it } from '@jest/globals';
import { partitionId } from '@diststore/cluster';
import type { PartitionId } from '@diststore/cluster';
import { eventually } from '@diststore/testing';

import { CHECK_AGAIN_MS } from './limits.js';
import { OthersCheck } from './others-check.js';

const [P, Q] = [partitionId(1), partitionId(2)] as const;

describe('OthersCheck', () => {
  let nowMs: number;
  let read: PartitionId[];
  let passed: PartitionId[];
  let reports: string[];
  /** Ends the read that is under way. */
  let end: (problem?: Error) => void;
  let check: OthersCheck;

  beforeEach(() => {
    nowMs = 0;
    [read, passed, reports] = [[], [], []];
    check = new OthersCheck({
      readElsewhere: (partition) => {
        read.push(partition);
        return new Promise((resolve, reject) => {
          end = (problem) => (problem === undefined ? resolve() : reject(problem));
        });
      },
      nowMs: () => nowMs,
      report: (problem) => reports.push(problem),
    });
  });

  const ask = (partition: PartitionId): void => check.ask(partition, () => passed.push(partition));
  const reading = (...partitions: PartitionId[]): Promise<unknown> =>
    eventually('it is read', () => read.length === partitions.length);

  it('reads one partition after the other, each once', async () => {
    for (const partition of [P, P, Q, P]) ask(partition);
    await reading(P);
    end();
    await reading(P, Q);
    expect(passed).toEqual([P]);
    end();
    await eventually('both have passed', () => passed.length === 2);
    expect(read).toEqual([P, Q]);
    expect(reports).toEqual([]);
  });

  it('keeps what others cannot give, and asks them again after a while', async () => {
    ask(P);
    await reading(P);
    end(new Error('The record of key "a" is damaged.'));
    await eventually('it is said', () => reports.length === 1);
    expect(reports[0]).toContain('partition 1 is not erased yet');
    nowMs = CHECK_AGAIN_MS - 1;
    ask(P);
    ask(Q);
    await reading(P, Q);
    expect(read).toEqual([P, Q]);
    end();
    nowMs = CHECK_AGAIN_MS;
    ask(P);
    await reading(P, Q, P);
    end();
    await eventually('it has passed', () => passed.length === 2);
    expect(passed).toEqual([Q, P]);
  });
});
