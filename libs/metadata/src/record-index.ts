/**
 * Records by name, in memory, with listing by prefix. The order of the names is computed when a listing first needs it
 * and kept until a name comes or goes: configurations change all the time, but under the same names.
 */
import type { LeaseId, MetadataRecord, RecordChange } from './metadata-store.js';

export class RecordIndex {
  private readonly records: Map<string, MetadataRecord>;
  /** All names in order; undefined when a name has come or gone since. */
  private sorted: string[] | undefined;
  private totalBytes = 0;

  constructor(records: Iterable<MetadataRecord> = []) {
    this.records = new Map();
    for (const record of records) this.apply({ name: record.name, record });
  }

  get size(): number {
    return this.records.size;
  }

  /** Names and values in UTF-8. */
  get bytes(): number {
    return this.totalBytes;
  }

  get(name: string): MetadataRecord | undefined {
    return this.records.get(name);
  }

  /** The records whose names begin with `prefix`, in the order of their names. */
  list(prefix: string): MetadataRecord[] {
    this.sorted ??= [...this.records.keys()].sort();
    const found: MetadataRecord[] = [];
    for (let i = lowerBound(this.sorted, prefix); i < this.sorted.length; i += 1) {
      const name = this.sorted[i] ?? '';
      if (!name.startsWith(prefix)) break;
      const record = this.records.get(name);
      if (record !== undefined) found.push(record);
    }
    return found;
  }

  /** The names of the records that vanish with `lease`, in order. Looks at every record: leases end rarely. */
  namesUnder(lease: LeaseId): string[] {
    const names: string[] = [];
    for (const record of this.records.values()) if (record.lease === lease) names.push(record.name);
    return names.sort();
  }

  apply({ name, record }: RecordChange): void {
    const before = this.records.get(name);
    this.totalBytes += sizeOf(record) - sizeOf(before);
    if (record === undefined) this.records.delete(name);
    else this.records.set(name, record);
    if ((before === undefined) !== (record === undefined)) this.sorted = undefined;
  }

  /** By how much `changes` would change `bytes`. */
  growthBy(changes: readonly RecordChange[]): number {
    let growth = 0;
    for (const { name, record } of changes) growth += sizeOf(record) - sizeOf(this.records.get(name));
    return growth;
  }
}

/** Name and value in UTF-8; nothing for no record. */
export function sizeOf(record: MetadataRecord | undefined): number {
  return record === undefined ? 0 : record.name.length + Buffer.byteLength(record.value);
}

/** Index of the first name that is not below `name`. Names are ASCII, so that this is byte order. */
function lowerBound(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
