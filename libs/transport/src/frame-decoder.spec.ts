import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { FRAME, FRAME_HEADER_BYTES, controlFrame } from './frame.js';
import { FrameDecoder } from './frame-decoder.js';
import { SendQueue } from './send-queue.js';

const MESSAGE_BYTES_MAX = 1024 * 1024;

function frameOf(...payload: Buffer[]): Buffer {
  const queue = new SendQueue();
  queue.push(FRAME.message, payload, Buffer.concat(payload).length);
  return Buffer.concat(queue.take(Infinity));
}

/** Everything that comes out of `chunks`, copied, and the problem at the end. */
function decode(
  chunks: readonly Buffer[],
  decoder = new FrameDecoder(MESSAGE_BYTES_MAX),
): { frames: [kind: number, payload: string][]; problem: string | undefined } {
  const frames: [number, string][] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let payload = decoder.next(); payload !== undefined; payload = decoder.next())
      frames.push([decoder.kind, payload.toString('latin1')]);
  }
  return { frames, problem: decoder.problem };
}

describe('FrameDecoder', () => {
  const stream = Buffer.concat([
    frameOf(Buffer.from('first')),
    frameOf(),
    controlFrame(FRAME.ping),
    frameOf(Buffer.from('in '), Buffer.from('pieces')),
    controlFrame(FRAME.goodbye, 'that was all'),
  ]);
  const frames = [
    [FRAME.message, 'first'],
    [FRAME.message, ''],
    [FRAME.ping, ''],
    [FRAME.message, 'in pieces'],
    [FRAME.goodbye, 'that was all'],
  ];

  it('reads frames that come as a whole', () => {
    expect(decode([stream])).toEqual({ frames, problem: undefined });
  });

  it('reads frames that come byte by byte', () => {
    expect(decode(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual({ frames, problem: undefined });
  });

  it('reads frames that are split anywhere', () => {
    for (let at = 0; at <= stream.length; at++)
      expect(decode([stream.subarray(0, at), stream.subarray(at)])).toEqual({ frames, problem: undefined });
  });

  it('reads what was encoded, however it was cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 20_000 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 }),
        (payloads, cuts) => {
          const bytes = Buffer.concat(payloads.map((payload) => frameOf(Buffer.from(payload))));
          const chunks: Buffer[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const end = at + (cuts[i % cuts.length] ?? 1);
            chunks.push(bytes.subarray(at, end));
            at = end;
          }
          const expected = payloads.map((p) => [FRAME.message, Buffer.from(p).toString('latin1')]);
          expect(decode(chunks)).toEqual({ frames: expected, problem: undefined });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('reads a frame of 16 MiB, and hands it out in memory of its own that is not larger', () => {
    const payload = Buffer.alloc(16 * 1024 * 1024, 'diststore');
    const bytes = frameOf(payload);
    const decoder = new FrameDecoder(payload.length);
    let decoded: Buffer | undefined;
    for (let at = 0; at < bytes.length; at += 65_536) {
      decoder.push(bytes.subarray(at, at + 65_536));
      decoded = decoder.next();
    }
    expect(decoded?.equals(payload)).toBe(true);
    expect(decoded?.buffer.byteLength).toBe(payload.length);
  });

  it('finds every single changed bit, and hands out nothing from there on', () => {
    const bytes = Buffer.concat([frameOf(Buffer.from('some payload')), frameOf(Buffer.from('the next'))]);
    const firstEnd = FRAME_HEADER_BYTES + 'some payload'.length;
    for (let bit = 0; bit < firstEnd * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // A length that was changed upwards within its bound is found out when that much has come.
      const { frames: out, problem } = decode([damaged, Buffer.alloc(MESSAGE_BYTES_MAX)]);
      expect({ bit, out, problem: typeof problem }).toEqual({ bit, out: [], problem: 'string' });
    }
  });

  it('never throws and never hands out random bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
        expect(decode(chunks.map((chunk) => Buffer.from(chunk))).frames).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never hands out random bytes behind a header that looks right', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 3, 4),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        (kind, noise) => {
          const header = Buffer.from([0xde, 0xad, 0xbe, 0xef, 1, kind, 0, 0, 0, 0, 0, noise.length % 256]);
          expect(decode([header, Buffer.from(noise)]).frames).toEqual([]);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['another format', [0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0], 'frame format 2 is not 1'],
    ['an unknown kind', [0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0], 'frame kind 9 is unknown'],
    ['the kind kept for later', [0, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0], 'frame kind 5 is unknown'],
    [
      'reserved bytes in use',
      [0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0],
      'the reserved bytes of a frame are not zero',
    ],
    ['a message too long', [0, 0, 0, 0, 1, 1, 0, 0, 0, 16, 0, 1], 'announces 1048577 bytes; at most 1048576'],
    ['a ping with a payload', [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1], 'announces 1 bytes; at most 0'],
    ['a goodbye too long', [0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 4, 1], 'announces 1025 bytes; at most 1024'],
    [
      'a wrong checksum',
      [0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0],
      'the checksum of a frame of 0 bytes does not match',
    ],
  ])('refuses %s by its header alone', (_what, header, problem) => {
    expect(decode([Buffer.from(header)]).problem).toContain(problem);
    expect(decode(header.map((byte) => Buffer.from([byte]))).problem).toContain(problem);
  });

  it('stays refused', () => {
    const decoder = new FrameDecoder(MESSAGE_BYTES_MAX);
    decode([Buffer.alloc(FRAME_HEADER_BYTES)], decoder);
    expect(decode([stream], decoder).frames).toEqual([]);
  });

  it('allocates for what has come, not for what is announced', () => {
    const header = frameOf(Buffer.alloc(MESSAGE_BYTES_MAX)).subarray(0, FRAME_HEADER_BYTES + 1);
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 100 }, () => {
      const decoder = new FrameDecoder(MESSAGE_BYTES_MAX);
      decode([header], decoder);
      return decoder;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 70_000);
    expect(decoders).toHaveLength(100);
  });
});
