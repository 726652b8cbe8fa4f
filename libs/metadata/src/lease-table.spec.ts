import { describe, expect, it } from '@jest/globals';

import { LeaseTable } from './lease-table.js';
import type { LeaseId } from './metadata-store.js';

const [A, B] = ['1', '2'] as [LeaseId, LeaseId];

describe('LeaseTable', () => {
  it('lets a lease live for its whole time, and not a millisecond longer', () => {
    const leases = new LeaseTable();
    leases.begin(A, 1000, 500);
    expect([leases.isAlive(A, 1499), leases.isAlive(A, 1500)]).toEqual([true, false]);
    expect([leases.lapsed(1499), leases.lapsed(1500)]).toEqual([[], [A]]);
  });

  it('renews what is alive, and never what has lapsed', () => {
    const leases = new LeaseTable();
    leases.begin(A, 1000, 0);
    expect(leases.renew(A, 999)).toBe(true);
    expect(leases.isAlive(A, 1998)).toBe(true);
    expect(leases.renew(A, 1999)).toBe(false);
    expect(leases.isAlive(A, 1999)).toBe(false);
    expect(leases.renew(B, 0)).toBe(false);
  });

  it('keeps a lapsed lease until it is ended', () => {
    const leases = new LeaseTable();
    leases.begin(A, 1000, 0);
    leases.begin(B, 2000, 0);
    expect([leases.has(A), leases.size, leases.lapsed(5000)]).toEqual([true, 2, [A, B]]);
    leases.end(A);
    expect([leases.has(A), leases.size, leases.lapsed(5000)]).toEqual([false, 1, [B]]);
  });
});
