import { describe, expect, it } from '@jest/globals';

import { FRAME, FRAME_HEADER_BYTES, controlFrame } from './frame.js';
import { FrameDecoder } from './frame-decoder.js';
import { SendQueue } from './send-queue.js';

function push(queue: SendQueue, text: string): number {
  const payload = Buffer.from(text);
  return queue.push(FRAME.message, [payload], payload.length);
}

function textsOf(buffers: readonly Buffer[]): string[] {
  const decoder = new FrameDecoder(1024 * 1024);
  decoder.push(Buffer.concat(buffers));
  const texts: string[] = [];
  for (let payload = decoder.next(); payload !== undefined; payload = decoder.next())
    texts.push(String(payload));
  expect(decoder.problem).toBeUndefined();
  return texts;
}

describe('SendQueue', () => {
  it('hands over small frames of one turn as one buffer', () => {
    const queue = new SendQueue();
    for (const text of ['a', 'b', 'c']) push(queue, text);
    const buffers = queue.take(Infinity);
    expect(buffers).toHaveLength(1);
    expect(textsOf(buffers)).toEqual(['a', 'b', 'c']);
  });

  it('does not copy large messages, and keeps the order among all', () => {
    const queue = new SendQueue();
    const large = Buffer.alloc(100_000, 'x');
    push(queue, 'before');
    queue.push(FRAME.message, [large.subarray(0, 10), large.subarray(10)], large.length);
    queue.pushWhole(controlFrame(FRAME.ping));
    push(queue, 'after');
    const buffers = queue.take(Infinity);
    expect(buffers.some((buffer) => buffer.buffer === large.buffer)).toBe(true);
    expect(textsOf(buffers)).toEqual(['before', large.toString(), '', 'after']);
  });

  it('takes whole frames only, and knows which were handed over', () => {
    const queue = new SendQueue();
    const large = 'x'.repeat(10_000);
    const ends = [push(queue, large), push(queue, large), push(queue, large)];
    expect(textsOf(queue.take(1))).toEqual([large]);
    expect(queue.handedOver).toBe(ends[0]);
    expect(queue.hasWaiting).toBe(true);
    expect(textsOf(queue.take(15_000))).toEqual([large, large]);
    expect(queue.handedOver).toBe(ends[2]);
    expect(queue.hasWaiting).toBe(false);
    expect(queue.take(1)).toEqual([]);
  });

  it('counts what is accepted until it is released', () => {
    const queue = new SendQueue();
    push(queue, 'abc');
    expect(queue.bytes).toBe(FRAME_HEADER_BYTES + 3);
    queue.take(Infinity);
    expect(queue.bytes).toBe(FRAME_HEADER_BYTES + 3);
    queue.release();
    expect(queue.bytes).toBe(0);
  });

  it('never writes over what is not yet written', () => {
    const queue = new SendQueue();
    push(queue, 'first');
    const first = queue.take(Infinity);
    push(queue, 'second');
    queue.release();
    push(queue, 'third');
    expect(textsOf(first)).toEqual(['first']);
    expect(textsOf(queue.take(Infinity))).toEqual(['second', 'third']);
  });

  it('goes on after more small frames than one buffer holds', () => {
    const queue = new SendQueue();
    const texts = Array.from({ length: 500 }, (_, i) => `${i} ${'y'.repeat(1000)}`);
    for (const text of texts) push(queue, text);
    expect(textsOf(queue.take(Infinity))).toEqual(texts);
  });

  it('forgets what waits, and stays true about what was handed over', () => {
    const queue = new SendQueue();
    const first = push(queue, 'first');
    queue.take(Infinity);
    const second = push(queue, 'second');
    queue.abandon();
    expect([first, second].map((end) => end <= queue.handedOver)).toEqual([true, false]);
    expect(queue.take(Infinity)).toEqual([]);
  });
});
