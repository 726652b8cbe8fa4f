/** Answers are found whatever packets they come in; what is no success is told. */
import { Buffer } from 'node:buffer';

import { describe, expect, it } from '@jest/globals';

import { AnswerReader } from './answer-reader.mjs';

const SIZED = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab\r\n\r';
const EMPTY = 'HTTP/1.1 201 Created\r\ncontent-length:0\r\n\r\n';
const CHUNKED = [
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a;name=value\r\n0\r\n\r\nHTTP/\r\n1F\r\n' + `${'x'.repeat(31)}\r\n0\r\nField: value\r\n\r\n`,
].join('');
const ALL = Buffer.from(SIZED + EMPTY + CHUNKED + CHUNKED + SIZED);

function answersIn(pieces) {
  let answers = 0;
  const reader = new AnswerReader(() => (answers += 1));
  for (const piece of pieces) reader.take(piece);
  return answers;
}

describe('answers', () => {
  it('are found whole, byte by byte, and cut at every place', () => {
    expect(answersIn([ALL])).toBe(5);
    expect(answersIn(Array.from(ALL, (byte) => Buffer.of(byte)))).toBe(5);
    for (let at = 0; at <= ALL.length; at += 1) {
      expect(answersIn([ALL.subarray(0, at), ALL.subarray(at)])).toBe(5);
    }
  });

  it('count when they have come to their end, and not before', () => {
    for (const answer of [SIZED, EMPTY, CHUNKED]) {
      expect(answersIn([Buffer.from(answer.slice(0, -1))])).toBe(0);
      expect(answersIn([Buffer.from(answer)])).toBe(1);
    }
  });

  it.each([
    ['a refusal', 'HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nwhy?', /429[^]*why\?/],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\n', /Not a success with a length or chunks/],
    [
      'a chunk of no size',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
      /size of a chunk: x/,
    ],
    ['a head without an end', `HTTP/1.1 200 OK\r\n${'x'.repeat(70_000)}`, /does not end/],
  ])('%s is an error that shows it', (_name, text, message) => {
    expect(() => answersIn([Buffer.from(text)])).toThrow(message);
  });
});
