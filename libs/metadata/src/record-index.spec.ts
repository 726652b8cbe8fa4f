import { describe, expect, it } from '@jest/globals';

import type { LeaseId, MetadataRecord } from './metadata-store.js';
import { RecordIndex } from './record-index.js';

const lease = (id: string): LeaseId => id as LeaseId;

function record(name: string, value = '', heldBy?: LeaseId): MetadataRecord {
  return { name, value, createRevision: 1, modRevision: 1, lease: heldBy };
}

describe('RecordIndex', () => {
  it('lists by prefix in the order of the names, also after names have come and gone', () => {
    const index = new RecordIndex(['b', 'a/2', 'a', 'a/10'].map((name) => record(name)));
    expect(index.list('a').map(({ name }) => name)).toEqual(['a', 'a/10', 'a/2']);
    index.apply({ name: 'a/1', record: record('a/1') });
    index.apply({ name: 'a', record: undefined });
    expect(index.list('a').map(({ name }) => name)).toEqual(['a/1', 'a/10', 'a/2']);
    expect(index.list('').length).toBe(index.size);
    expect(index.list('c')).toEqual([]);
  });

  it('counts names and values in UTF-8, and foretells growth', () => {
    const index = new RecordIndex([record('ab', '☃')]);
    expect(index.bytes).toBe(5);
    const changes = [
      { name: 'ab', record: record('ab', 'x') },
      { name: 'new', record: record('new', 'yz') },
      { name: 'none', record: undefined },
    ];
    expect(index.growthBy(changes)).toBe(3);
    for (const change of changes) index.apply(change);
    expect(index.bytes).toBe(8);
    index.apply({ name: 'ab', record: undefined });
    index.apply({ name: 'new', record: undefined });
    expect([index.bytes, index.size]).toEqual([0, 0]);
  });

  it('finds the records of a lease', () => {
    const index = new RecordIndex([
      record('b', '', lease('1')),
      record('a', '', lease('1')),
      record('c', '', lease('2')),
    ]);
    expect(index.namesUnder(lease('1'))).toEqual(['a', 'b']);
    expect(index.namesUnder(lease('3'))).toEqual([]);
  });
});
