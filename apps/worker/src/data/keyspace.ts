/**
 * What the protocols talk to: the keys that this worker serves. It checks what no partition needs to know of (limits
 * and free space) and says who holds a value. Today that is this worker's one partition.
 */
import { StoreError } from '@diststore/base';
import type { FreeSpace, StoredRecord } from '@diststore/storage';
import { CONTENT_TYPE_BYTES_MAX, KEY_BYTES_MAX } from '@diststore/storage';

import type { Partition, PutOptions } from './partition.js';

/** Where a value is kept. */
export interface Holders {
  readonly partition: number;
  /** Indices of the workers that hold it, the primary first. */
  readonly replicas: readonly number[];
}

export interface Receipt extends Holders {
  readonly version: number;
}

export interface KeyspaceOptions {
  readonly workerIndex: number;
  readonly maxValueBytes: number;
}

export class Keyspace {
  /** Who holds the keys of this worker. Constant while there is one partition. */
  readonly holders: Holders;

  constructor(
    private readonly partition: Partition,
    private readonly freeSpace: FreeSpace | undefined,
    private readonly options: KeyspaceOptions,
  ) {
    this.holders = { partition: partition.id, replicas: [options.workerIndex] };
  }

  get keys(): number {
    return this.partition.keys;
  }

  get bytes(): number {
    return this.partition.bytes;
  }

  /** @throws StoreError key-empty, key-too-long, record-corrupt */
  get(key: Buffer): StoredRecord | undefined | Promise<StoredRecord | undefined> {
    checkKey(key);
    return this.partition.get(key);
  }

  /**
   * Stores the value and resolves when it is durable on every replica.
   * @throws StoreError key-empty, key-too-long, value-too-large, bad-parameter, disk-full, too-many-requests,
   *   store-closed: nothing was stored; store-failed: unknown.
   */
  async put(key: Buffer, value: Buffer, options: PutOptions = {}): Promise<Receipt & { readonly created: boolean }> {
    checkKey(key);
    const { maxValueBytes } = this.options;
    if (value.length > maxValueBytes) {
      const detail = `The limit is ${maxValueBytes} bytes (maxValueBytes); the value has ${value.length}.`;
      throw new StoreError('value-too-large', detail, { facts: { limitBytes: maxValueBytes, setting: 'maxValueBytes' } });
    }
    checkContentType(options.contentType);
    this.freeSpace?.take(key.length + value.length);
    const { version, created } = await this.partition.put(key, value, options);
    return { version, created, ...this.holders };
  }

  /** Resolves with undefined when there was nothing to delete. @throws as `put`, but never disk-full. */
  async delete(key: Buffer): Promise<Receipt | undefined> {
    checkKey(key);
    const version = await this.partition.delete(key);
    return version === undefined ? undefined : { version, ...this.holders };
  }

  /** Removes every key that this worker serves; resolves with their number. @throws as `delete` */
  clear(): Promise<number> {
    return this.partition.clear();
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
