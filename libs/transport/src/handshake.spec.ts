import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { helloOf, identityOf } from '../test/fixtures.js';
import { agreementWith, problemOfPeer } from './handshake.js';
import { encodeHello, parseHello } from './hello.js';
import type { Hello } from './hello.js';
import { KnownBoots } from './known-boots.js';

function judge(
  changes: Partial<Hello>,
  rules: { boots?: KnownBoots; admit?: () => string | undefined } = {},
) {
  const { boots = new KnownBoots(), admit = () => undefined } = rules;
  return problemOfPeer(helloOf(changes), { self: identityOf(1), boots, admit });
}

describe('hello', () => {
  it('is read as it was written', () => {
    const hello = helloOf({ features: ['snapshots-2', 'lz4'] });
    expect(parseHello(encodeHello(hello))).toEqual({ hello });
  });

  it('may have members that are not known here', () => {
    const text = JSON.stringify({ ...helloOf(), challenge: 'later' });
    expect(parseHello(text)).toEqual({ hello: helloOf() });
  });

  it.each([
    [undefined, 'the hello is missing'],
    ['', 'the hello is not JSON'],
    ['null', 'the hello is not a JSON object'],
    ['[]', 'protocolMin is not a whole number from 1 to 65535'],
    ['['.repeat(4_000), 'the hello is not JSON'],
    [`"${'x'.repeat(5_000)}"`, 'the hello is longer than 4096 bytes'],
    [JSON.stringify({ ...helloOf(), cluster: 'c' }), 'cluster is not 32 hex digits'],
    [JSON.stringify({ ...helloOf(), worker: 1000 }), 'worker is not a whole number from 1 to 999'],
    [JSON.stringify({ ...helloOf(), store: 7 }), 'store is not 32 hex digits'],
    [JSON.stringify({ ...helloOf(), boot: 0 }), 'boot is not a whole number from 1'],
    [JSON.stringify({ ...helloOf(), nonce: 'x' }), 'nonce is not 16 to 64 hex digits'],
    [JSON.stringify({ ...helloOf(), channel: 'a b' }), 'channel is not a name'],
    [JSON.stringify({ ...helloOf(), to: '1' }), 'to is not a whole number from 1 to 999'],
    [JSON.stringify({ ...helloOf(), heartbeatMs: 1e9 }), 'heartbeatMs is not a whole number from 1 to 60000'],
    [JSON.stringify({ ...helloOf(), features: ['UP'] }), 'features is not a list of at most 32 names'],
    [
      JSON.stringify({ ...helloOf(), protocolMin: 3, protocolMax: 2 }),
      'protocolMax is not a whole number from protocolMin to 65535',
    ],
  ])('%.40s is malformed', (text, problem) => {
    expect(parseHello(text)).toEqual({ problem });
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => 'problem' in parseHello(text)));
  });
});

describe('handshake', () => {
  it('lets in who fits', () => {
    expect(judge({})).toBeUndefined();
  });

  it.each<[string, Partial<Hello>, string, string]>([
    ['a later version', { protocolMin: 2, protocolMax: 3 }, 'version', 'speaks protocol versions 2 to 3'],
    ['another cluster', { cluster: 'd'.repeat(32) }, 'wrong-cluster', 'is of cluster dddd'],
    ['who means another worker', { to: 3 }, 'wrong-worker', 'worker 3 was meant, but this is worker 1'],
    ['who claims the same index', { worker: 1 }, 'same-worker', 'are worker 1'],
  ])('refuses %s', (_who, changes, code, detail) => {
    expect(judge(changes)).toMatchObject({ code, detail: expect.stringContaining(detail) });
  });

  it('refuses, as the dialling side, who was not dialled', () => {
    const rules = { self: identityOf(1), boots: new KnownBoots(), admit: () => undefined };
    expect(problemOfPeer(helloOf(), rules, { worker: 3, channel: 'test' })?.code).toBe('wrong-worker');
    expect(problemOfPeer(helloOf(), rules, { worker: 2, channel: 'other' })?.code).toBe('unknown-channel');
    expect(problemOfPeer(helloOf(), rules, { worker: 2, channel: 'test' })).toBeUndefined();
  });

  it('refuses whom the host does not admit, with its reason', () => {
    const admit = () => 'worker 2 was removed';
    expect(judge({}, { admit })).toEqual({ code: 'not-admitted', detail: 'worker 2 was removed' });
  });

  it('agrees on the features that both have, and on the version of the older', () => {
    const hello = helloOf({ features: ['a', 'b'], protocolMax: 7 });
    expect(agreementWith(hello, new Set(['b', 'c']))).toEqual({ protocol: 1, features: new Set(['b']) });
  });
});

describe('KnownBoots', () => {
  it('refuses an earlier boot, and another process on the same boot, of a store it knows', () => {
    const boots = new KnownBoots();
    boots.learn(identityOf(2, { boot: 5 }));
    expect(judge({ boot: 4 }, { boots })?.code).toBe('older-boot');
    expect(judge({ boot: 5, nonce: 'b'.repeat(16) }, { boots })?.code).toBe('other-process');
    expect(judge({ boot: 5 }, { boots })).toBeUndefined();
    expect(judge({ boot: 6, nonce: 'b'.repeat(16) }, { boots })).toBeUndefined();
    expect(judge({ boot: 1, store: 'e'.repeat(32) }, { boots })).toBeUndefined();
  });

  it('says when a later boot makes earlier ones the past', () => {
    const boots = new KnownBoots();
    expect([1, 1, 2, 2].map((boot) => boots.learn(identityOf(2, { boot })))).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it('forgets the store that was heard of least recently, beyond its bound', () => {
    const boots = new KnownBoots(2);
    for (const worker of [2, 3, 2, 4]) boots.learn(identityOf(worker, { boot: 5 }));
    const older = (worker: number) => boots.problemOf(identityOf(worker, { boot: 1 }))?.code;
    expect([2, 3, 4].map(older)).toEqual(['older-boot', undefined, 'older-boot']);
  });
});
