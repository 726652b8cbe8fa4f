import { describe, expect, it } from '@jest/globals';
import { partitionId } from '@diststore/cluster';
import { memberNumber } from '@diststore/testing';

import type { RecordPage } from '../data/partition.js';
import { readThrough } from './read-through.js';

const P = partitionId(1);

/** A partition of three pages, led by whoever `leaderAt` says when so many pages were asked for. */
class Led {
  readonly asked: string[] = [];

  constructor(private readonly leaderAt: (pages: number) => number) {}

  page(_partition: unknown, from: Buffer): Promise<RecordPage> {
    this.asked.push(from.toString());
    const after = from.length + 1;
    return Promise.resolve({ records: [], next: after === 3 ? undefined : Buffer.alloc(after, 'k') });
  }

  read(): Promise<void> {
    return readThrough(this, P, () => memberNumber(this.leaderAt(this.asked.length)));
  }
}

describe('readThrough', () => {
  it('reads to the end', async () => {
    const led = new Led(() => 1);
    await led.read();
    expect(led.asked).toEqual(['', 'k', 'kk']);
  });

  it('begins again when another replica leads, which has shown nothing yet', async () => {
    const led = new Led((pages) => (pages < 2 ? 1 : 2));
    await led.read();
    expect(led.asked).toEqual(['', 'k', '', 'k', 'kk']);
  });

  it('gives up when the lead does not stay', async () => {
    const led = new Led((pages) => 1 + (pages % 2));
    await expect(led.read()).rejects.toMatchObject({ code: 'retry-later' });
  });
});
