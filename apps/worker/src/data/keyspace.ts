/**
 * What the protocols talk to: the keys of the cluster. It checks what no partition needs to know of, the limits,
 * and does what is asked wherever the key is.
 */
import { StoreError } from '@diststore/base';
import type { StoredRecord } from '@diststore/storage';
import { CONTENT_TYPE_BYTES_MAX, KEY_BYTES_MAX } from '@diststore/storage';

import type { Holders, Router } from '../routing/router.js';
import type { PartitionHost } from './partition-host.js';
import type { PutOptions } from './partition.js';

export interface Found {
  readonly record: StoredRecord | undefined;
  readonly holders: Holders;
}

export interface Receipt extends Holders {
  readonly version: number;
}

export interface KeyspaceOptions {
  readonly maxValueBytes: number;
}

export class Keyspace {
  constructor(
    private readonly router: Router,
    private readonly host: PartitionHost,
    private readonly options: KeyspaceOptions,
  ) {}

  /** Keys that are kept on this worker. */
  get keys(): number {
    return this.host.primaries().reduce((sum, { keys }) => sum + keys, 0);
  }

  /** Bytes of keys and values that are kept on this worker. */
  get bytes(): number {
    return this.host.primaries().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Answers at once when the key is here and its data in memory.
   * @throws StoreError key-empty, key-too-long, record-corrupt, retry-later
   */
  get(key: Buffer): Found | Promise<Found> {
    checkKey(key);
    const holders = this.router.route(key);
    if (holders.local === undefined) return this.getThere(key, holders.partition);
    const record = holders.local.get(key);
    return record instanceof Promise ? record.then((awaited) => ({ record: awaited, holders })) : { record, holders };
  }

  /**
   * Stores the value and resolves when it is durable on every replica.
   * @throws StoreError key-empty, key-too-long, value-too-large, bad-parameter, disk-full, too-many-requests,
   *   store-closed, retry-later: nothing was stored; store-failed, outcome-unknown: unknown.
   */
  async put(key: Buffer, value: Buffer, options: PutOptions = {}): Promise<Receipt & { readonly created: boolean }> {
    checkKey(key);
    this.checkValue(value);
    checkContentType(options.contentType);
    const { partition } = this.router.route(key);
    const outcome = await this.router.perform(partition, { type: 'put', key, value, options });
    if (outcome.type !== 'stored') throw unexpected(outcome.type);
    return { version: outcome.version, created: outcome.created, ...this.holdersOf(key) };
  }

  /** Resolves with undefined when there was nothing to delete. @throws as `put`, but never disk-full. */
  async delete(key: Buffer): Promise<Receipt | undefined> {
    checkKey(key);
    const { partition } = this.router.route(key);
    const outcome = await this.router.perform(partition, { type: 'delete', key });
    if (outcome.type === 'absent') return undefined;
    if (outcome.type !== 'deleted') throw unexpected(outcome.type);
    return { version: outcome.version, ...this.holdersOf(key) };
  }

  /** Removes every key; under placement `local`, every key of this worker. @throws as `delete` */
  clear(): Promise<{ removed: number; workers: number[] }> {
    return this.router.clear();
  }

  private async getThere(key: Buffer, partition: Holders['partition']): Promise<Found> {
    const outcome = await this.router.perform(partition, { type: 'get', key });
    if (outcome.type !== 'found' && outcome.type !== 'absent') throw unexpected(outcome.type);
    const record = outcome.type === 'found' ? outcome.record : undefined;
    return { record, holders: this.holdersOf(key) };
  }

  /** Asked after the operation, which may have had to renew a map that did not know the holders yet. */
  private holdersOf(key: Buffer): Holders {
    const { partition, replicas } = this.router.route(key);
    return { partition, replicas };
  }

  private checkValue(value: Buffer): void {
    const { maxValueBytes } = this.options;
    if (value.length <= maxValueBytes) return;
    const detail = `The limit is ${maxValueBytes} bytes (maxValueBytes); the value has ${value.length}.`;
    throw new StoreError('value-too-large', detail, { facts: { limitBytes: maxValueBytes, setting: 'maxValueBytes' } });
  }
}

function checkKey(key: Buffer): void {
  if (key.length === 0) throw new StoreError('key-empty', 'The key is empty.');
  if (key.length > KEY_BYTES_MAX) {
    const detail = `The limit is ${KEY_BYTES_MAX} bytes; the key has ${key.length}.`;
    throw new StoreError('key-too-long', detail, { facts: { limitBytes: KEY_BYTES_MAX, keyBytes: key.length } });
  }
}

function checkContentType(contentType: string | undefined): void {
  if (contentType !== undefined && contentType.length > CONTENT_TYPE_BYTES_MAX) {
    throw new StoreError('bad-parameter', `A Content-Type has at most ${CONTENT_TYPE_BYTES_MAX} characters.`);
  }
}

function unexpected(type: string): StoreError {
  return new StoreError('internal', `An operation ended as ${type}.`);
}
