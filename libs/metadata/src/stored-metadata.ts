/**
 * Reads a whole store at its opening and checks that its rows agree with each other: every batch has left them
 * agreeing, so where they do not, rows were lost or are older than the rest, and nothing here can tell which.
 */
import { StoreError } from '@diststore/base';
import { metadataRange, type Storage } from '@diststore/storage';

import { decodeRow, recordKey, corruptRow, type Counters } from './metadata-rows.js';
import type { LeaseId, MetadataRecord } from './metadata-store.js';

export interface StoredMetadata {
  readonly counters: Counters;
  readonly records: readonly MetadataRecord[];
  /** TTL in milliseconds of every lease. */
  readonly leases: ReadonlyMap<LeaseId, number>;
}

/**
 * REQUIRES: nobody writes meanwhile.
 * @throws StoreError store-corrupt, store-format.
 */
export async function readMetadata(storage: Storage): Promise<StoredMetadata> {
  let counters: Counters | undefined;
  const records: MetadataRecord[] = [];
  const leases = new Map<LeaseId, number>();
  const everything = metadataRange('');
  let { gte } = everything;
  for (let done = false; !done;) {
    const page = await storage.page({ gte, lt: everything.lt });
    for (const { key, value } of page.entries) {
      const row = decodeRow(key, value);
      if (row.kind === 'record') records.push(row.record);
      else if (row.kind === 'lease') leases.set(row.id, row.ttlMs);
      else counters = row.counters;
      gte = Buffer.concat([key, Buffer.alloc(1)]);
    }
    done = page.done;
  }
  const stored = { counters: counters ?? { revision: 0, records: 0, lastLease: 0 }, records, leases };
  checkAgreement(stored);
  return stored;
}

function checkAgreement({ counters, records, leases }: StoredMetadata): void {
  if (records.length !== counters.records) {
    const facts = { found: records.length, counted: counters.records };
    const detail = `There are ${records.length} metadata records where ${counters.records} were counted.`;
    throw new StoreError('store-corrupt', detail, { facts });
  }
  for (const { name, createRevision, modRevision, lease } of records) {
    if (createRevision < 1 || createRevision > modRevision || modRevision > counters.revision) {
      const reason = `it was created at ${createRevision} and written at ${modRevision}, in a store at ${counters.revision}`;
      throw corruptRow(recordKey(name), reason);
    }
    if (lease !== undefined && !leases.has(lease)) {
      throw corruptRow(recordKey(name), `it belongs to lease ${lease}, which does not exist`);
    }
  }
  for (const id of leases.keys()) {
    if (Number(id) > counters.lastLease) {
      throw new StoreError(
        'store-corrupt',
        `Lease ${id} exists, but the last one granted is ${counters.lastLease}.`,
      );
    }
  }
}
