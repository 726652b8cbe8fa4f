/** Rows 01 and 02 of a replica, between the words of libs/replication and the bytes of libs/storage. */
import { isStoreError, StoreError } from '@diststore/base';
import { decodeInstalled, encodeInstalled } from '@diststore/replication';
import type { AppliedState, InstalledState } from '@diststore/replication';
import { decodeState, encodeState, installedKey, openRow, sealRow, stateKey } from '@diststore/storage';
import type { WriteOp } from '@diststore/storage';

export function installedOp(partition: number, state: InstalledState): WriteOp {
  const key = installedKey(partition);
  return { type: 'put', key, value: sealRow(key, encodeInstalled(state)) };
}

/** @throws StoreError store-corrupt, store-format */
export function readInstalled(partition: number, bytes: Buffer): InstalledState {
  const key = installedKey(partition);
  const state = decodeInstalled(openRow(key, bytes));
  if (state === undefined)
    throw new StoreError('store-corrupt', `Row ${key.toString('hex')} holds no installed configuration.`);
  return state;
}

export function stateOp(partition: number, state: AppliedState, clearPending: boolean): WriteOp {
  const { applied, base, baseVer, chain, lastTimestampMs, clearedThrough, counts } = state;
  const { keys, bytes } = counts;
  // Field by field: this is done for every batch, and copying with `...` costs more than the encoding.
  const log = { base, baseVer, chain };
  const value = encodeState({ applied, log, lastTimestampMs, clearedThrough, clearPending, keys, bytes });
  return { type: 'put', key: stateKey(partition), value };
}

/** @throws StoreError store-corrupt, store-format */
export function readApplied(row: Buffer): AppliedState {
  const { applied, log, lastTimestampMs, clearedThrough, keys, bytes } = decodeState(row);
  return { applied, ...log, lastTimestampMs, clearedThrough, counts: { keys, bytes } };
}

/** Whether a row that says what a replica is turned out to be damaged, or of a format unknown to this version. */
export function isDamage(error: unknown): error is StoreError {
  return isStoreError(error, 'store-corrupt') || isStoreError(error, 'store-format');
}
