import { describe, expect, it } from '@jest/globals';

import { detach, InputBuffer } from './input-buffer.js';
import { INCOMPLETE, TOO_LONG } from './length-line.js';

describe('InputBuffer', () => {
  it('holds at most twice what was received, whatever is expected and however it comes', () => {
    for (const size of [1, 7, 100, 5000, 65_536]) {
      const input = new InputBuffer();
      let received = 0;
      for (let i = 0; i < 200; i++) {
        input.append(Buffer.alloc(size, i));
        received += size;
        input.settle(2 ** 29);
        expect(input.length).toBe(received);
        expect(input.bytes.length).toBeLessThanOrEqual(Math.max(1024, received * 2));
      }
      expect(input.bytes[input.start + received - 1]).toBe(199);
    }
  });

  it('allocates what is expected once that is within reach', () => {
    const input = new InputBuffer();
    input.append(Buffer.alloc(60_000));
    input.settle(100_000);
    expect(input.bytes.length).toBe(100_000);
  });

  it('lets go of a large buffer of which little is left', () => {
    const input = new InputBuffer();
    input.append(Buffer.alloc(50_000));
    input.settle(100_000);
    input.start += 49_990;
    input.settle(0);
    expect(input.length).toBe(10);
    expect(input.bytes.length).toBe(1024);
  });

  it('takes lines up to a bound, and searches no byte twice', () => {
    const input = new InputBuffer();
    input.append(Buffer.from('ab'));
    expect(input.takeLine(4)).toBe(INCOMPLETE);
    input.append(Buffer.from('cd\nefghi'));
    expect(input.takeLine(4).toString()).toBe('abcd');
    expect(input.takeLine(4)).toBe(TOO_LONG);
    expect(input.takeLine(5)).toBe(INCOMPLETE);
    input.append(Buffer.from('\n'));
    expect(input.takeLine(5).toString()).toBe('efghi');
  });
});

describe('detach', () => {
  it('copies a small view of much memory, to memory of its own', () => {
    const chunk = Buffer.alloc(65_536, 'x');
    const copy = detach(chunk.subarray(10, 20));
    expect(copy.toString()).toBe('xxxxxxxxxx');
    expect(copy.buffer.byteLength).toBe(10);
  });

  it('keeps what is most of its memory', () => {
    const value = Buffer.alloc(65_536).subarray(100);
    expect(detach(value)).toBe(value);
  });
});
