import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Welcomed } from '@diststore/cluster';
import { clusterId, generation } from '@diststore/cluster';
import { MemoryStorage, openStore } from '@diststore/storage';

import { Membership } from './membership.js';

const welcomed = (change: Partial<Welcomed> = {}): Welcomed => ({
  clusterId: clusterId('c'.repeat(32)),
  heartbeatMs: 1000,
  generation: generation(1),
  master: { boot: 3, nonce: 'aa' },
  timing: 'fast',
  configurationsWanted: false,
  ...change,
});

describe('Membership', () => {
  let storage: MemoryStorage;

  async function open(): Promise<Membership> {
    return new Membership(storage, await openStore(storage, { kind: 'worker', index: 1 }));
  }

  beforeEach(() => {
    storage = new MemoryStorage();
  });

  it('knows nothing at first, and follows any master', async () => {
    const membership = await open();
    expect(membership).toMatchObject({ clusterId: null, fence: 1, master: null, timing: undefined });
    expect(membership.refusalOf(welcomed())).toBeUndefined();
  });

  it('keeps what it accepted over a restart', async () => {
    await (await open()).accept(welcomed({ generation: generation(4) }));
    const expected = {
      clusterId: 'c'.repeat(32),
      fence: 4,
      master: { boot: 3, nonce: 'aa' },
      timing: 'fast',
    };
    expect(await open()).toMatchObject(expected);
    expect(await open()).toMatchObject(expected);
  });

  it('remembers the starts since the last that was welcomed', async () => {
    const boots = (membership: Membership): number[] => membership.earlierStarts.map(({ boot }) => boot);
    await open();
    expect(boots(await open())).toEqual([1]);
    const third = await open();
    expect(boots(third)).toEqual([1, 2]);
    await third.accept(welcomed());
    expect(boots(third)).toEqual([]);
    expect(boots(await open())).toEqual([3]);
    const fifth = await open();
    expect(boots(fifth)).toEqual([3, 4]);
    // By the same master, of whom nothing else is to be written down.
    await fifth.accept(welcomed());
    expect(boots(await open())).toEqual([5]);
  });

  it.each<[string, Partial<Welcomed>, RegExp | undefined]>([
    ['the same process', {}, undefined],
    ['a later start', { master: { boot: 4, nonce: 'bb' } }, undefined],
    ['an older start', { master: { boot: 2, nonce: 'bb' } }, /older than 3/],
    ['another process of the same start', { master: { boot: 3, nonce: 'bb' } }, /copies of one directory/],
    ['an older generation', { generation: generation(1) }, /generation 1, older than 2/],
    [
      'an older start of a later generation',
      { generation: generation(3), master: { boot: 1, nonce: 'bb' } },
      undefined,
    ],
  ])('judges %s of the master', async (_what, change, reason) => {
    const membership = await open();
    await membership.accept(welcomed({ generation: generation(2) }));
    const refusal = membership.refusalOf(welcomed({ generation: generation(2), ...change }));
    if (reason === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toMatch(reason);
  });

  it('belongs to one cluster for good', async () => {
    const membership = await open();
    await membership.accept(welcomed());
    const other = welcomed({ clusterId: clusterId('d'.repeat(32)) });
    await expect(membership.accept(other)).rejects.toMatchObject({
      code: 'worker-refused',
      facts: { final: true },
    });
  });

  it('writes only what is new', async () => {
    const membership = await open();
    await membership.accept(welcomed());
    let writes = 0;
    const write = storage.write.bind(storage);
    storage.write = (...given) => {
      writes += 1;
      return write(...given);
    };
    await membership.accept(welcomed());
    expect(writes).toBe(0);
    await membership.accept(welcomed({ timing: 'slow' }));
    expect(writes).toBe(1);
  });
});
