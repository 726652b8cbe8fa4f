import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { crc16, SLOT_COUNT, slotOf } from './slots.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The same checksum bit by bit, straight from the polynomial. */
function crc16BitByBit(data: Uint8Array): number {
  let crc = 0;
  for (const byte of data) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

describe('slots, as in the Redis Cluster specification', () => {
  it('CRC16: the check value of the specification', () => {
    expect(crc16(bytes('123456789'))).toBe(0x31c3);
  });

  it('CRC16: equals the bitwise definition for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1100 }), (data) => crc16(data) === crc16BitByBit(data)));
  });

  it.each([
    // What CLUSTER KEYSLOT answers, from its documentation.
    ['somekey', 11058],
    ['foo{hash_tag}', 2515],
    ['bar{hash_tag}', 2515],
    ['foo', 12182],
    ['bar', 5061],
    ['hello', 866],
    ['', 0],
  ])('slot of %j is %i', (key, slot) => {
    expect(slotOf(bytes(key))).toBe(slot);
  });

  // The examples of the section "Hash tags".
  it('hash tag: keys with one tag share its slot', () => {
    expect(slotOf(bytes('{user1000}.following'))).toBe(slotOf(bytes('user1000')));
    expect(slotOf(bytes('{user1000}.followers'))).toBe(slotOf(bytes('user1000')));
  });

  it('hash tag: empty braces do not count, and neither do later ones', () => {
    expect(slotOf(bytes('foo{}{bar}'))).toBe(crc16(bytes('foo{}{bar}')) % SLOT_COUNT);
  });

  it('hash tag: ends at the first closing brace, further opening braces included', () => {
    expect(slotOf(bytes('foo{{bar}}zap'))).toBe(slotOf(bytes('{bar')));
    expect(slotOf(bytes('foo{{bar}}zap'))).toBe(crc16(bytes('{bar')) % SLOT_COUNT);
  });

  it('hash tag: only the first one counts', () => {
    expect(slotOf(bytes('foo{bar}{zap}'))).toBe(slotOf(bytes('bar')));
  });

  it.each(['{', '}', '}{', 'a}b{c', '{abc', 'abc}', '{}'])(
    '%j has no hash tag: the whole key counts',
    (key) => {
      expect(slotOf(bytes(key))).toBe(crc16(bytes(key)) % SLOT_COUNT);
    },
  );

  it('hash tag: whatever stands around it', () => {
    const without = (...banned: number[]) =>
      fc.uint8Array({ maxLength: 20 }).map((data) => data.filter((byte) => !banned.includes(byte)));
    const tag = without(0x7b, 0x7d).filter((data) => data.length > 0);
    fc.assert(
      fc.property(without(0x7b), tag, fc.uint8Array({ maxLength: 20 }), (before, inside, after) => {
        const key = Uint8Array.from([...before, 0x7b, ...inside, 0x7d, ...after]);
        expect(slotOf(key)).toBe(slotOf(inside));
      }),
    );
  });

  it('a slot is from 0 to 16383 for any key, and keys spread over all of them', () => {
    const counts = new Uint32Array(SLOT_COUNT);
    for (let i = 0; i < 10 * SLOT_COUNT; i++) {
      const slot = slotOf(bytes(`key:${i}`));
      counts[slot] = (counts[slot] ?? NaN) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts)).toBeLessThan(40);
  });
});
