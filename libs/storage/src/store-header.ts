/**
 * The header row: who this store is. A store's random id is born with its LevelDB, so that an empty disk is never
 * taken for the old one; `boot` rises and `nonce` is drawn anew at every start, so that an older copy of the disk can be
 * told from the disk, however often it is started.
 *
 *     offset  size  field
 *     0       1     format, 1   persisted, never renumber
 *     1       4     CRC-32 of the rest
 *     5       …     JSON: {"kind","index","storeId","boot","nonce","earlier","clusterId"} and, of a worker that a
 *                   master has welcomed, "membership": {"gen","masterBoot","masterNonce","timing"}
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { StoreError } from '@diststore/base';

import { HEADER_KEY } from './key-layout.js';
import { KEY_BYTES_MAX } from './limits.js';
import type { KeyRange, Storage } from './storage.js';

const FORMAT = 1;
const BODY_OFFSET = 5;
/** Foreign rows may have any key. */
const EVERYTHING: KeyRange = { gte: Buffer.alloc(0), lt: Buffer.alloc(KEY_BYTES_MAX, 0xff) };

export interface StoreHeader {
  readonly kind: 'master' | 'worker';
  /** The worker's index; 0 for the master. */
  readonly index: number;
  /** 32 hexadecimal digits. */
  readonly storeId: string;
  /** Starts of a process on this store, this one included. */
  readonly boot: number;
  /** Of this start: 32 random hexadecimal digits. */
  readonly nonce: string;
  /** Starts of a worker before this one, oldest first: the last that a master has welcomed, and all since. */
  readonly earlier: readonly StoreStart[];
  /** The cluster that it belongs to; null until it joined one. */
  readonly clusterId: string | null;
  /** What a worker's store has promised its masters; absent until one has welcomed it. */
  readonly membership?: StoreMembership;
}

type Starts = Pick<StoreHeader, 'nonce' | 'earlier'>;

export interface StoreStart {
  readonly boot: number;
  readonly nonce: string;
}

/**
 * How many are remembered. Beyond, the newest stay, and the oldest: a master that knows that one is not to think that
 * it is forgotten.
 */
export const EARLIER_STARTS_MAX = 1000;

export interface StoreMembership {
  /** Configurations of lower generations are refused. Never falls. */
  readonly gen: number;
  /** The start of a master that is followed, of generation `gen`: its boot counter, and what the process drew. */
  readonly masterBoot: number;
  readonly masterNonce: string;
  /** The name of the profile of times that the cluster runs with. */
  readonly timing: string;
}

export function encodeHeader(header: StoreHeader): Buffer {
  const body = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(BODY_OFFSET + body.length);
  bytes[0] = FORMAT;
  bytes.writeUInt32BE(crc32(body), 1);
  body.copy(bytes, BODY_OFFSET);
  return bytes;
}

export function decodeHeader(bytes: Buffer): StoreHeader {
  if (bytes[0] !== FORMAT) {
    throw new StoreError(
      'store-format',
      `The store has format ${bytes[0] ?? 0}; this version reads format ${FORMAT}.`,
    );
  }
  const body = bytes.subarray(BODY_OFFSET);
  if (bytes.length < BODY_OFFSET || bytes.readUInt32BE(1) !== crc32(body)) {
    throw new StoreError(
      'store-corrupt',
      'The header row of the store is damaged. Restore a backup or a replica.',
    );
  }
  // Starts were not written down from the beginning.
  const found = JSON.parse(body.toString()) as Omit<StoreHeader, keyof Starts> & Partial<Starts>;
  return { nonce: '', earlier: [], ...found };
}

/**
 * Reads the header, or writes one into an empty store, for another start. Durable when it resolves; nobody may be talked
 * to before.
 * @throws StoreError store-format: the store is another process's, or not diststore's; store-corrupt.
 */
export async function openStore(
  storage: Storage,
  expected: Pick<StoreHeader, 'kind' | 'index'>,
): Promise<StoreHeader> {
  const bytes = await storage.get(HEADER_KEY);
  const nonce = randomBytes(16).toString('hex');
  let header: StoreHeader;
  if (bytes === undefined) {
    const any = await storage.page(EVERYTHING, { limit: 1 });
    if (any.entries.length > 0) {
      throw new StoreError(
        'store-format',
        'The database holds rows but no diststore header. Choose another directory.',
      );
    }
    const storeId = randomBytes(16).toString('hex');
    header = { ...expected, storeId, boot: 1, nonce, earlier: [], clusterId: null };
  } else {
    const found = decodeHeader(bytes);
    if (found.kind !== expected.kind || found.index !== expected.index) {
      throw new StoreError(
        'store-format',
        `The data directory belongs to ${nameOf(found)}, not to ${nameOf(expected)}. Choose another with --data-dir.`,
      );
    }
    header = { ...found, boot: found.boot + 1, nonce, earlier: earlierStarts(found) };
  }
  await writeHeader(storage, header);
  return header;
}

/** For the start after this one. Nobody asks for those of the master. */
function earlierStarts({ kind, boot, nonce, earlier }: StoreHeader): readonly StoreStart[] {
  if (kind === 'master' || nonce === '') return [];
  const starts = [...earlier, { boot, nonce }];
  const excess = starts.length - EARLIER_STARTS_MAX;
  return excess > 0 ? starts.toSpliced(1, excess) : starts;
}

export async function writeHeader(storage: Storage, header: StoreHeader): Promise<void> {
  await storage.write([{ type: 'put', key: HEADER_KEY, value: encodeHeader(header) }]);
}

function nameOf({ kind, index }: Pick<StoreHeader, 'kind' | 'index'>): string {
  return kind === 'master' ? 'the master' : `worker ${index}`;
}
