import { describe, expect, it } from '@jest/globals';
import { isStoreError } from '@diststore/base';
import { partitionId } from '@diststore/cluster';
import fc from 'fast-check';

import type { Answer, Question } from './operation.js';
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './question-codec.js';

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const key = bytes(1, 1024);
const contentType = fc.option(fc.stringMatching(/^[ -~]{0,60}$/), { nil: undefined });
const partition = fc.integer({ min: 0, max: 16_383 }).map(partitionId);
const counter = fc.maxSafeNat();

const question: fc.Arbitrary<Question> = fc.oneof(
  fc.constant({ clear: true } as const),
  fc.record({
    partition,
    operation: fc.oneof(
      fc.record({ type: fc.constant('get' as const), key }),
      fc.record({ type: fc.constant('delete' as const), key }),
      fc.record({
        type: fc.constant('put' as const),
        key,
        value: bytes(0, 3000),
        options: fc.record({ contentType, expireAtMs: counter }),
      }),
    ),
  }),
);

const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({
    type: fc.constant('found' as const),
    record: fc.record({ version: counter, expireAtMs: counter, contentType, payload: bytes(0, 3000) }),
  }),
  fc.constant({ type: 'absent' } as const),
  fc.record({ type: fc.constant('stored' as const), version: counter, created: fc.boolean() }),
  fc.record({ type: fc.constant('deleted' as const), version: counter }),
  fc.record({ type: fc.constant('cleared' as const), removed: counter }),
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

  it('cut short anywhere are refused, or are a shorter value', () => {
    const put: Question = {
      partition: partitionId(7),
      operation: {
        type: 'put',
        key: Buffer.from('key'),
        value: Buffer.from('v'),
        options: { expireAtMs: 5 },
      },
    };
    const whole = Buffer.concat(encodeQuestion(put));
    for (let length = 0; length < whole.length - 1; length += 1) {
      expect(() => decodeQuestion(whole.subarray(0, length))).toThrow('malformed');
    }
  });

  it('find out when a record is not the one that the peer stored', () => {
    const record = { version: 1, expireAtMs: 0, contentType: undefined, payload: Buffer.from('happy') };
    const sent = Buffer.concat(encodeAnswer({ type: 'found', record }, Buffer.from('A')));
    expect(() => decodeAnswer(sent, Buffer.from('B'))).toThrow('checksum');
  });
});
