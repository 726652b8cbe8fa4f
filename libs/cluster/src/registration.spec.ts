import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { storeAt } from '../test/fixtures.js';
import { admit, FORMER_STORES_MAX } from './registration.js';
import type { WorkerRegistration } from './registration.js';

/** @param earlier starts before this one, as boot and nonce */
function request(store: number, boot: number, nonce = 'n', ...earlier: [number, string][]) {
  return {
    store: storeAt(1, store),
    boot,
    nonce,
    earlier: earlier.map(([before, drawn]) => ({ boot: before, nonce: drawn })),
  };
}

/** Lets processes in one after another, each with the old one gone, and fails if one is refused. */
function registered(...requests: ReturnType<typeof request>[]): WorkerRegistration {
  let known: WorkerRegistration | undefined;
  requests.forEach((each, i) => {
    const admission = admit(known, each, { isCurrentLive: false, nextNumber: i + 1 });
    if ('refused' in admission) throw new Error(admission.refused);
    known = admission.registration;
  });
  return known as WorkerRegistration;
}

const gone = { isCurrentLive: false, nextNumber: 100 };
const live = { isCurrentLive: true, nextNumber: 100 };

describe('registration', () => {
  it('the first store of an index is welcome', () => {
    expect(admit(undefined, request(1, 1), gone)).toEqual({
      welcome: 'new-worker',
      registration: { current: { store: storeAt(1, 1), maxBoot: 1, nonce: 'n', number: 100 }, former: [] },
    });
  });

  it('the same process again is welcome and changes nothing, however often', () => {
    const known = registered(request(1, 3, 'a'));
    expect(admit(known, request(1, 3, 'a'), live)).toEqual({ welcome: 'same-process', registration: known });
  });

  it('a restart is welcome even while the old process seems alive', () => {
    const known = registered(request(1, 3, 'a'));
    expect(admit(known, request(1, 4, 'b', [3, 'a']), live)).toMatchObject({
      welcome: 'returning',
      registration: { current: { maxBoot: 4, nonce: 'b', number: 1 } },
    });
  });

  it('a disk that was rolled back is refused: the boot was seen before, by another process', () => {
    const known = registered(request(1, 3, 'a'));
    expect(admit(known, request(1, 3, 'b'), gone)).toEqual({ refused: 'disk-rolled-back' });
    expect(admit(known, request(1, 2, 'a'), gone)).toEqual({ refused: 'disk-rolled-back' });
  });

  it('a disk that was rolled back is refused however often it is started', () => {
    const known = registered(request(1, 3, 'a'), request(1, 6, 'b', [3, 'a'], [4, 'x'], [5, 'y']));
    const earlier: [number, string][] = [[3, 'a']];
    for (let boot = 4; boot < 40; boot += 1) {
      expect(admit(known, request(1, boot, `n${boot}`, ...earlier), gone)).toEqual({
        refused: 'disk-rolled-back',
      });
      earlier.push([boot, `n${boot}`]);
    }
  });

  it('a start whose welcome was lost is remembered among those that follow', () => {
    const known = registered(request(1, 3, 'a'), request(1, 4, 'b', [3, 'a']));
    const later = request(1, 6, 'd', [3, 'a'], [4, 'b'], [5, 'c']);
    expect(admit(known, later, gone)).toMatchObject({ welcome: 'returning' });
  });

  it('a store that was welcomed since is not judged by older data of the master', () => {
    const known = registered(request(1, 3, 'a'));
    expect(admit(known, request(1, 9, 'c', [8, 'b']), gone)).toMatchObject({ welcome: 'returning' });
  });

  it('two workers with one index: the second is refused while the first is alive', () => {
    const known = registered(request(1, 3));
    expect(admit(known, request(2, 1), live)).toEqual({ refused: 'index-in-use' });
  });

  it('a new store is welcome once the old one is gone; its boots are its own', () => {
    const known = registered(request(1, 3));
    const admission = admit(known, request(2, 1), gone);
    expect(admission).toMatchObject({
      welcome: 'new-store',
      registration: { current: { maxBoot: 1, number: 100 } },
    });
    expect('registration' in admission && admission.registration.former).toEqual([known.current]);
  });

  it('an old disk that returns is judged by the boots it came with before', () => {
    const known = registered(request(1, 3, 'a'), request(2, 1));
    expect(admit(known, request(1, 2, 'c'), gone)).toEqual({ refused: 'disk-rolled-back' });
    expect(admit(known, request(1, 3, 'c'), gone)).toEqual({ refused: 'disk-rolled-back' });
    expect(admit(known, request(1, 4, 'c', [2, 'b'], [3, 'd']), gone)).toEqual({
      refused: 'disk-rolled-back',
    });
    const admission = admit(known, request(1, 4, 'c', [3, 'a']), gone);
    expect(admission).toMatchObject({
      welcome: 'returning',
      registration: { current: { maxBoot: 4, number: 100 } },
    });
    expect('registration' in admission && admission.registration.former).toEqual([known.current]);
  });

  it('no more than FORMER_STORES_MAX former stores are kept, the latest', () => {
    const requests = Array.from({ length: FORMER_STORES_MAX + 3 }, (_, i) => request(i + 1, 1));
    const { current, former } = registered(...requests);
    expect(current.store).toBe(storeAt(1, FORMER_STORES_MAX + 3));
    expect(former.map(({ store }) => store)).toEqual(
      Array.from({ length: FORMER_STORES_MAX }, (_, i) => storeAt(1, FORMER_STORES_MAX + 2 - i)),
    );
  });

  it('any sequence: no boot of a store is admitted for two processes, and numbers order the stores', () => {
    const requests = fc.record({
      store: fc.integer({ min: 1, max: 4 }),
      boot: fc.integer({ min: 1, max: 5 }),
      nonce: fc.constantFrom('a', 'b', 'c'),
      isCurrentLive: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 40 }), (sequence) => {
        let known: WorkerRegistration | undefined;
        const processOf = new Map<string, string>();
        sequence.forEach(({ store, boot, nonce, isCurrentLive }, i) => {
          const before = known;
          const admission = admit(known, request(store, boot, nonce), { isCurrentLive, nextNumber: i + 1 });
          if ('refused' in admission) return;
          known = admission.registration;
          const name = `${store}/${boot}`;
          expect(processOf.get(name) ?? nonce).toBe(nonce);
          processOf.set(name, nonce);
          expect(known.current.store).toBe(storeAt(1, store));
          for (const { number } of known.former) expect(number).toBeLessThan(known.current.number);
          if (isCurrentLive && before !== undefined) expect(known.current.store).toBe(before.current.store);
        });
      }),
    );
  });
});
