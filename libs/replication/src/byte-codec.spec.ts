import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { Slab } from './byte-codec.js';
import { keyName } from './entry.js';

describe('Slab', () => {
  it('gives copies that stay as they are, whatever is copied later and of whatever size', () => {
    const lengths = fc.array(fc.oneof(fc.nat(300), fc.nat(5000)), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lengths, (sizes) => {
        const slab = new Slab();
        const copies = sizes.map((size, i) => slab.copyOf(new Uint8Array(size + 7).fill(i), size));
        copies.forEach((copy, i) => {
          expect(copy.length).toBe(sizes[i]);
          expect(copy.every((byte) => byte === (i & 0xff))).toBe(true);
        });
      }),
      { numRuns: 100 },
    );
  });
});

describe('keyName', () => {
  it('is one character for each byte, at any length', () => {
    const bytes = fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 1000, maxLength: 3000 }));
    fc.assert(
      fc.property(bytes, (key) => {
        const name = keyName(key);
        expect(name.length).toBe(key.length);
        expect(Uint8Array.from(name, (c) => c.charCodeAt(0))).toEqual(key);
      }),
      { numRuns: 100 },
    );
  });
});
