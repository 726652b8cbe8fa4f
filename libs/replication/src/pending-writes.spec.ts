import { describe, expect, it } from '@jest/globals';

import { CHAIN_ZERO } from './chain.js';
import { keyName, makeEntry } from './entry.js';
import type { Entry } from './entry.js';
import { PendingWrites } from './pending-writes.js';

const key = Uint8Array.of(107);
const id = '0'.repeat(32);

function put(seq: number): Entry {
  return makeEntry({
    ver: { gen: 1, epoch: 1 },
    seq,
    timestampMs: 1,
    previous: CHAIN_ZERO,
    counts: { keys: 1, bytes: 2 },
    request: { id, fingerprint: CHAIN_ZERO },
    result: new Uint8Array(0),
    ops: [{ type: 'put', key, expireAtMs: 0, contentType: undefined, payload: key, oldExpireAtMs: 0 }],
  });
}

describe('PendingWrites', () => {
  it('shows a prepared record to conditions and not to readers', () => {
    const pending = new PendingWrites();
    pending.prepare(put(1));
    expect(pending.newest(keyName(key))?.seq).toBe(1);
    expect(pending.of(keyName(key))?.committed).toBeUndefined();
  });

  it('shows a committed record to readers until it is applied', () => {
    const pending = new PendingWrites();
    pending.prepare(put(1));
    pending.commit(put(1));
    expect(pending.of(keyName(key))?.committed?.seq).toBe(1);
    pending.applied(put(1));
    expect(pending.of(keyName(key))?.committed).toBeUndefined();
    expect(pending.request(id)).toBeUndefined();
  });

  it('keeps nothing of an entry that is applied without having been committed before, as on the cheap path', () => {
    const pending = new PendingWrites();
    pending.prepare(put(1));
    pending.applied(put(1));
    expect(pending.newest(keyName(key))).toBeUndefined();
    expect(pending.request(id)).toBeUndefined();
  });

  it('keeps what a newer entry has prepared when an older one is applied', () => {
    const pending = new PendingWrites();
    pending.prepare(put(1));
    pending.prepare(put(2));
    pending.applied(put(1));
    expect(pending.newest(keyName(key))?.seq).toBe(2);
    expect(pending.request(id)?.seq).toBe(2);
  });
});
