import { describe, expect, it } from '@jest/globals';
import { isStoreError } from '@diststore/base';
import { partitionId } from '@diststore/cluster';
import fc from 'fast-check';

import type { Answer, Question } from './question.js';
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './question-codec.js';

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const key = bytes(1, 1024);
const contentType = fc.option(fc.stringMatching(/^[ -~]{0,60}$/), { nil: undefined });
const partition = fc.integer({ min: 0, max: 16_383 }).map(partitionId);
const counter = fc.maxSafeNat();

const request = fc.option(
  fc.record({
    id: fc.stringMatching(/^[0-9a-f]{32}$/),
    fingerprint: fc.record({ hi: fc.nat(2 ** 32 - 1), lo: fc.nat(2 ** 32 - 1) }),
  }),
  { nil: undefined },
);
const position = bytes(0, 1025);
const question: fc.Arbitrary<Question> = fc.oneof(
  fc.record({ type: fc.constant('counts' as const), partition }),
  fc.record({ type: fc.constant('confirm' as const), partition, key }),
  fc.record({
    type: fc.constant('page' as const),
    partition,
    from: position,
    to: fc.option(position, { nil: undefined }),
    limit: fc.integer({ min: 1, max: 1000 }),
    keysOnly: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('perform' as const),
    partition,
    request,
    operation: fc.oneof(
      fc.record({ type: fc.constant('get' as const), key }),
      fc.record({
        type: fc.constant('put' as const),
        key,
        value: bytes(0, 3000),
        contentType,
        expiry: fc.record({ type: fc.constant('at' as const), atMs: counter }),
        conditions: fc.constant([]),
        returnOld: fc.boolean(),
      }),
    ),
  }),
);

const record = fc.record({ version: counter, expireAtMs: counter, contentType, payload: bytes(0, 3000) });
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ type: fc.constant('found' as const), record }),
  fc.constant({ type: 'absent' } as const),
  fc.record({
    type: fc.constant('done' as const),
    repeated: fc.boolean(),
    result: fc.record({
      type: fc.constant('deleted' as const),
      version: counter,
      old: fc.option(record, { nil: undefined }),
    }),
  }),
  fc.record({
    type: fc.constant('page' as const),
    page: fc.record({
      records: fc.array(fc.record({ key, record, isWhole: fc.boolean() }), { maxLength: 5 }),
      next: fc.option(position, { nil: undefined }),
    }),
  }),
  fc.record({ type: fc.constant('counts' as const), counts: fc.record({ keys: counter, bytes: counter }) }),
  fc.record({ type: fc.constant('not-primary' as const), mapVersion: counter }),
  fc.record({
    type: fc.constant('error' as const),
    code: fc.string(),
    detail: fc.string(),
    facts: fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
      fc.string(),
    ),
  }),
);

describe('questions between workers', () => {
  it('arrive as they were sent', () => {
    fc.assert(
      fc.property(question, (sent) => {
        expect(decodeQuestion(Buffer.concat(encodeQuestion(sent)))).toEqual(sent);
      }),
    );
  });

  it('are answered as they were answered', () => {
    fc.assert(
      fc.property(answer, key, (sent, about) => {
        expect(decodeAnswer(Buffer.concat(encodeAnswer(sent, about)), about)).toEqual(sent);
      }),
    );
  });

  it('that are junk are refused, whatever they hold', () => {
    fc.assert(
      fc.property(bytes(0, 64), key, (junk, about) => {
        for (const decode of [() => decodeQuestion(junk), () => decodeAnswer(junk, about)]) {
          try {
            decode();
          } catch (error) {
            if (!isStoreError(error, 'bad-request') && !isStoreError(error, 'record-corrupt')) throw error;
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('cut short anywhere are refused', () => {
    fc.assert(
      fc.property(question, (sent) => {
        const whole = Buffer.concat(encodeQuestion(sent));
        for (let length = 0; length < whole.length; length += Math.max(1, Math.floor(whole.length / 50)))
          expect(() => decodeQuestion(whole.subarray(0, length))).toThrow('malformed');
        expect(() => decodeQuestion(Buffer.concat([whole, Buffer.alloc(1)]))).toThrow('malformed');
      }),
    );
  });

  it('cut short anywhere are no answers', () => {
    fc.assert(
      fc.property(answer, key, (sent, about) => {
        const whole = Buffer.concat(encodeAnswer(sent, about));
        for (let length = 0; length < whole.length; length += Math.max(1, Math.floor(whole.length / 50)))
          expect(() => decodeAnswer(whole.subarray(0, length), about)).toThrow();
      }),
    );
  });

  it('carry a large value as it is, uncopied', () => {
    const value = Buffer.alloc(100_000);
    const put = { type: 'put', key: Buffer.from('k'), value, contentType: undefined } as const;
    const operation = { ...put, expiry: { type: 'never' }, conditions: [], returnOld: false } as const;
    const pieces = encodeQuestion({
      type: 'perform',
      partition: partitionId(7),
      operation,
      request: undefined,
    });
    expect(pieces.some((piece) => piece === value)).toBe(true);
  });

  it('never carry a page without end', () => {
    const page = {
      type: 'page',
      partition: partitionId(7),
      from: Buffer.alloc(0),
      to: undefined,
      keysOnly: true,
    } as const;
    expect(decodeQuestion(Buffer.concat(encodeQuestion({ ...page, limit: 1e9 })))).toMatchObject({
      limit: 1000,
    });
    expect(() => decodeQuestion(Buffer.concat(encodeQuestion({ ...page, limit: 0 })))).toThrow('malformed');
  });

  it('find out when a record is not the one that the peer stored', () => {
    const record = { version: 1, expireAtMs: 0, contentType: undefined, payload: Buffer.from('happy') };
    const sent = Buffer.concat(encodeAnswer({ type: 'found', record }, Buffer.from('A')));
    expect(() => decodeAnswer(sent, Buffer.from('B'))).toThrow('checksum');
  });
});
