import { crc32 } from 'node:zlib';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { after, dataKey, HEADER_KEY } from './key-layout.js';
import { MemoryStorage } from './memory-storage.js';
import { decodeHeader, EARLIER_STARTS_MAX, encodeHeader, openStore, writeHeader } from './store-header.js';
import type { StoreHeader, StoreStart } from './store-header.js';

const WORKER_1 = { kind: 'worker', index: 1 } as const;
const HEADER = {
  ...WORKER_1,
  storeId: 'f'.repeat(32),
  boot: 9,
  nonce: 'a'.repeat(32),
  earlier: [{ boot: 8, nonce: 'b'.repeat(32) }],
  clusterId: null,
} as const;
const FORMAT_ERROR = expect.objectContaining({ code: 'store-format' });
const CORRUPT = expect.objectContaining({ code: 'store-corrupt' });

const startOf = ({ boot, nonce }: StoreHeader): StoreStart => ({ boot, nonce });

describe('openStore', () => {
  let storage: MemoryStorage;

  beforeEach(() => {
    storage = new MemoryStorage();
  });

  it('gives an empty store an identity', async () => {
    const header = await openStore(storage, WORKER_1);
    expect(header).toEqual({
      ...WORKER_1,
      storeId: expect.stringMatching(/^[0-9a-f]{32}$/),
      boot: 1,
      nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
      earlier: [],
      clusterId: null,
    });
    const other = await openStore(new MemoryStorage(), WORKER_1);
    expect(other.storeId).not.toBe(header.storeId);
  });

  it('raises boot at every start and keeps the rest, durable when it resolves', async () => {
    const first = await openStore(storage, WORKER_1);
    const earlier = [startOf(first)];
    for (const boot of [2, 3, 4]) {
      const header = await openStore(storage, WORKER_1);
      expect(header).toEqual({ ...first, boot, nonce: header.nonce, earlier });
      expect(decodeHeader(storage.getSync(HEADER_KEY) ?? Buffer.alloc(0))).toEqual(header);
      earlier.push(startOf(header));
    }
    expect(new Set(earlier.map(({ nonce }) => nonce)).size).toBe(4);
  });

  it('remembers the oldest and the newest starts when there are too many', async () => {
    let header = await openStore(storage, WORKER_1);
    const earlier: StoreStart[] = [];
    for (let starts = 1; starts < EARLIER_STARTS_MAX + 5; starts += 1) {
      earlier.push(startOf(header));
      header = await openStore(storage, WORKER_1);
    }
    expect(header.earlier).toEqual([earlier[0], ...earlier.slice(-(EARLIER_STARTS_MAX - 1))]);
  });

  it('knows of no earlier start where none was written down', async () => {
    const json = JSON.stringify({ ...WORKER_1, storeId: '0'.repeat(32), boot: 7, clusterId: null });
    await storage.write([
      { type: 'put', key: HEADER_KEY, value: encodeHeader(JSON.parse(json) as StoreHeader) },
    ]);
    expect(await openStore(storage, WORKER_1)).toMatchObject({ boot: 8, earlier: [] });
  });

  it('remembers no starts of a master', async () => {
    const master = { kind: 'master', index: 0 } as const;
    const { nonce } = await openStore(storage, master);
    const again = await openStore(storage, master);
    expect(again).toMatchObject({ boot: 2, earlier: [] });
    expect(again.nonce).not.toBe(nonce);
  });

  it('keeps the cluster that was joined', async () => {
    const header = await openStore(storage, WORKER_1);
    await writeHeader(storage, { ...header, clusterId: 'c1' });
    expect(await openStore(storage, WORKER_1)).toMatchObject({ clusterId: 'c1', boot: 2 });
  });

  it.each([
    ['another worker', { kind: 'worker', index: 2 }, 'belongs to worker 1, not to worker 2'],
    ['the master', { kind: 'master', index: 0 }, 'belongs to worker 1, not to the master'],
  ] as const)('refuses a store to %s, and changes nothing', async (_who, expected, message) => {
    await openStore(storage, WORKER_1);
    const before = storage.getSync(HEADER_KEY);
    await expect(openStore(storage, expected)).rejects.toThrow(message);
    await expect(openStore(storage, expected)).rejects.toEqual(FORMAT_ERROR);
    expect(storage.getSync(HEADER_KEY)).toEqual(before);
  });

  it.each([
    ['of another program', Buffer.from('!sublevel!key')],
    ['of diststore, but without its header', dataKey(1, Buffer.from('k'))],
    ['with a key of 0xff', Buffer.from([0xff, 0xff, 0x01])],
    ['with the empty key', Buffer.alloc(0)],
  ])('refuses a database %s', async (_what, key) => {
    await storage.write([{ type: 'put', key, value: Buffer.from('v') }]);
    await expect(openStore(storage, WORKER_1)).rejects.toEqual(FORMAT_ERROR);
    expect(storage.getSync(HEADER_KEY)).toBeUndefined();
  });

  it('refuses a header of a format from the future', async () => {
    const bytes = encodeHeader(HEADER);
    bytes[0] = 2;
    await storage.write([{ type: 'put', key: HEADER_KEY, value: bytes }]);
    await expect(openStore(storage, WORKER_1)).rejects.toThrow('format 2');
  });
});

describe('the header row', () => {
  it('has the layout of docs/storage-format.md, byte for byte', () => {
    const bytes = encodeHeader(HEADER);
    const json =
      `{"kind":"worker","index":1,"storeId":"${HEADER.storeId}","boot":9,"nonce":"${HEADER.nonce}",` +
      `"earlier":[{"boot":8,"nonce":"${HEADER.earlier[0].nonce}"}],"clusterId":null}`;
    expect(bytes[0]).toBe(1);
    expect(bytes.readUInt32BE(1)).toBe(crc32(json));
    expect(bytes.toString('utf8', 5)).toBe(json);
    expect(decodeHeader(bytes)).toEqual(HEADER);
  });

  it('is refused when any byte of it is changed or missing', () => {
    const bytes = encodeHeader(HEADER);
    for (let at = 0; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x01;
      expect(() => decodeHeader(damaged)).toThrow(at === 0 ? FORMAT_ERROR : CORRUPT);
      expect(() => decodeHeader(bytes.subarray(0, at))).toThrow(at === 0 ? FORMAT_ERROR : CORRUPT);
    }
  });

  it('is below every other key', () => {
    expect(Buffer.compare(HEADER_KEY, dataKey(0, Buffer.alloc(1)))).toBe(-1);
    expect(after(HEADER_KEY)).toEqual(Buffer.from([1]));
  });
});
