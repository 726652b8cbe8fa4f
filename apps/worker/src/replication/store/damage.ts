/** What is done about a row that fails its checks is not for the reader of it to say. */
import { isStoreError } from '@diststore/base';
import type { StoreError } from '@diststore/base';
import { decodeRecord } from '@diststore/storage';
import type { StoredRecord } from '@diststore/storage';

/**
 * Told of each damaged row that is met.
 * @returns what whoever reads it is told instead, because other replicas have the row; undefined: this is the only one.
 */
export type OnDamage = (damage: StoreError) => StoreError | undefined;

/** The record of `key`. @throws StoreError record-corrupt, or what `onDamage` makes of it */
export function recordOr(onDamage: OnDamage, key: Buffer, bytes: Buffer): StoredRecord {
  try {
    return decodeRecord(key, bytes);
  } catch (error) {
    throw isStoreError(error, 'record-corrupt') ? (onDamage(error) ?? error) : error;
  }
}
