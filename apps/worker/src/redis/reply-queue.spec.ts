import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { InFlight } from './in-flight.js';
import { ReplyQueue, type Slot } from './reply-queue.js';

describe('replies', () => {
  it('come in the order of their commands, whenever they are known', () => {
    const step = fc.record({ later: fc.boolean(), size: fc.constantFrom(1, 10, 20_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.infiniteStream(fc.nat(100)), (steps, choices) => {
        const queue = new ReplyQueue();
        const waiting: { slot: Slot; text: string }[] = [];
        let expected = '';
        let received = '';
        const take = (): void => {
          for (const bytes of queue.out.take()) received += bytes.toString('latin1');
        };
        const completeOne = (): void => {
          const [one] = waiting.splice((choices.next().value as number) % waiting.length, 1);
          if (one !== undefined) queue.complete(one.slot, (out) => out.raw(Buffer.from(one.text)));
          take();
        };
        steps.forEach(({ later, size }, i) => {
          const text = `${i}${'.'.repeat(size)}\n`;
          expected += text;
          if (later) waiting.push({ slot: queue.defer(), text });
          else queue.tail.raw(Buffer.from(text));
          if (waiting.length > 0 && (choices.next().value as number) < 40) completeOne();
          take();
          expect(expected.startsWith(received)).toBe(true);
          // Nothing is held back without a reason.
          if (waiting.length === 0) expect(received).toBe(expected);
        });
        while (waiting.length > 0) completeOne();
        expect(received).toBe(expected);
        expect([queue.waiting, queue.byteLength]).toEqual([0, 0]);
      }),
    );
  });
});

describe('what is under way', () => {
  const use = (names: string[], isWrite: boolean, isHere = true) => ({ names, isWrite, isHere, bytes: 1 });

  it.each([
    ['a read', use(['a'], false), { read: true, writeHere: false, writeElsewhere: false }],
    ['a write here', use(['a'], true), { read: false, writeHere: true, writeElsewhere: false }],
    ['a write elsewhere', use(['a'], true, false), { read: false, writeHere: false, writeElsewhere: false }],
  ])('behind %s of the same key', (_name, first, admitted) => {
    const inFlight = new InFlight();
    inFlight.add(first);
    expect({
      read: inFlight.admits(['b', 'a'], false, true),
      writeHere: inFlight.admits(['a'], true, true),
      writeElsewhere: inFlight.admits(['a'], true, false),
    }).toEqual(admitted);
    expect(inFlight.admits(['b'], true, false)).toBe(true);
    inFlight.remove(first);
    expect(inFlight.admits(['a'], true, false)).toBe(true);
    expect([inFlight.count, inFlight.bytes, inFlight.reads]).toEqual([0, 0, 0]);
  });

  it('a key that one command names twice is let go when the command ends', () => {
    const inFlight = new InFlight();
    const twice = use(['a', 'a'], true);
    inFlight.add(twice);
    inFlight.add(use(['a'], true));
    inFlight.remove(twice);
    expect(inFlight.admits(['a'], false, true)).toBe(false);
    inFlight.remove(use(['a'], true));
    expect(inFlight.admits(['a'], false, true)).toBe(true);
  });
});
