import { crc32 } from 'node:zlib';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { after, dataKey, HEADER_KEY } from './key-layout.js';
import { MemoryStorage } from './memory-storage.js';
import { decodeHeader, encodeHeader, openStore, writeHeader } from './store-header.js';

const WORKER_1 = { kind: 'worker', index: 1 } as const;
const FORMAT_ERROR = expect.objectContaining({ code: 'store-format' });
const CORRUPT = expect.objectContaining({ code: 'store-corrupt' });

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
      clusterId: null,
    });
    const other = await openStore(new MemoryStorage(), WORKER_1);
    expect(other.storeId).not.toBe(header.storeId);
  });

  it('raises boot at every start and keeps the rest, durable when it resolves', async () => {
    const first = await openStore(storage, WORKER_1);
    for (const boot of [2, 3, 4]) {
      expect(await openStore(storage, WORKER_1)).toEqual({ ...first, boot });
      expect(decodeHeader(storage.getSync(HEADER_KEY) ?? Buffer.alloc(0)).boot).toBe(boot);
    }
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
    const bytes = encodeHeader({ ...WORKER_1, storeId: '0'.repeat(32), boot: 1, clusterId: null });
    bytes[0] = 2;
    await storage.write([{ type: 'put', key: HEADER_KEY, value: bytes }]);
    await expect(openStore(storage, WORKER_1)).rejects.toThrow('format 2');
  });
});

describe('the header row', () => {
  it('has the layout of docs/storage-format.md, byte for byte', () => {
    const header = { ...WORKER_1, storeId: 'f'.repeat(32), boot: 9, clusterId: null };
    const bytes = encodeHeader(header);
    const json = `{"kind":"worker","index":1,"storeId":"${header.storeId}","boot":9,"clusterId":null}`;
    expect(bytes[0]).toBe(1);
    expect(bytes.readUInt32BE(1)).toBe(crc32(json));
    expect(bytes.toString('utf8', 5)).toBe(json);
    expect(decodeHeader(bytes)).toEqual(header);
  });

  it('is refused when any byte of it is changed or missing', () => {
    const bytes = encodeHeader({ ...WORKER_1, storeId: 'f'.repeat(32), boot: 9, clusterId: null });
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
