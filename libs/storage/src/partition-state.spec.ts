import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { decodeState, encodeState } from './partition-state.js';

const STATE = {
  applied: 7,
  log: { base: 3, baseVer: { gen: 1, epoch: 2 }, chain: { hi: 0x0a0b0c0d, lo: 0xfffffffe } },
  lastTimestampMs: 1000,
  clearedThrough: 5,
  clearPending: true,
  keys: 2,
  bytes: 30,
};

describe('the state row', () => {
  it('comes back as it was stored', () => {
    const anyHalf = fc.nat(0xffff_ffff);
    const any = fc.record({
      applied: fc.maxSafeNat(),
      log: fc.record({
        base: fc.maxSafeNat(),
        baseVer: fc.record({ gen: fc.maxSafeNat(), epoch: fc.maxSafeNat() }),
        chain: fc.record({ hi: anyHalf, lo: anyHalf }),
      }),
      lastTimestampMs: fc.maxSafeNat(),
      clearedThrough: fc.maxSafeNat(),
      clearPending: fc.boolean(),
      keys: fc.maxSafeNat(),
      bytes: fc.maxSafeNat(),
    });
    fc.assert(fc.property(any, (state) => expect(decodeState(encodeState(state))).toEqual(state)));
  });

  it('has the layout of docs/storage-format.md, byte for byte', () => {
    expect(encodeState(STATE).toString('hex', 0, 74)).toBe(
      [
        '01', // format
        '01', // flags
        '0000000000000007', // applied
        '0000000000000003', // base
        '0000000000000001', // generation of base
        '0000000000000002', // epoch of base
        '0a0b0c0dfffffffe', // chain
        '00000000000003e8', // last timestamp
        '0000000000000005', // cleared through
        '0000000000000002', // keys
        '000000000000001e', // bytes
      ].join(''),
    );
  });

  it('is corrupt when any byte of it is changed or missing', () => {
    const bytes = encodeState(STATE);
    const corrupt = expect.objectContaining({ code: 'store-corrupt' });
    for (let at = 0; at < bytes.length; at += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        expect(() => decodeState(damaged)).toThrow(corrupt);
      }
      expect(() => decodeState(bytes.subarray(0, at))).toThrow(corrupt);
    }
    expect(() => decodeState(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(corrupt);
  });

  it('refuses to be made with a count below nothing', () => {
    expect(() => encodeState({ ...STATE, keys: -1 })).toThrow('Invariant');
  });
});
