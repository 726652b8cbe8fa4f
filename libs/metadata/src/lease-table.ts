/**
 * The leases of a store and when each ends. Pure: time is given, in milliseconds of a clock that never goes back.
 * Which records a lease holds is said by the records.
 */
import type { LeaseId } from './metadata-store.js';

interface Entry {
  readonly ttlMs: number;
  endsMs: number;
}

export class LeaseTable {
  private readonly leases = new Map<LeaseId, Entry>();

  get size(): number {
    return this.leases.size;
  }

  /** A lease with its whole time before it: newly granted, or found by a store that has just been opened. */
  begin(id: LeaseId, ttlMs: number, nowMs: number): void {
    this.leases.set(id, { ttlMs, endsMs: nowMs + ttlMs });
  }

  /** Whether the lease has not lapsed; it may have, and still be here until it is revoked. */
  isAlive(id: LeaseId, nowMs: number): boolean {
    const lease = this.leases.get(id);
    return lease !== undefined && nowMs < lease.endsMs;
  }

  /** Whether the lease is here, lapsed or not. */
  has(id: LeaseId): boolean {
    return this.leases.has(id);
  }

  /** Gives the lease its whole time again. False: it has lapsed, and nothing brings it back. */
  renew(id: LeaseId, nowMs: number): boolean {
    const lease = this.leases.get(id);
    if (lease === undefined || nowMs >= lease.endsMs) return false;
    lease.endsMs = nowMs + lease.ttlMs;
    return true;
  }

  end(id: LeaseId): void {
    this.leases.delete(id);
  }

  /** Those whose time is over. */
  lapsed(nowMs: number): LeaseId[] {
    const ids: LeaseId[] = [];
    for (const [id, lease] of this.leases) if (nowMs >= lease.endsMs) ids.push(id);
    return ids;
  }
}
