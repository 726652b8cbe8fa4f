/**
 * Random input against two promises: no bytes make a decoder throw or answer anything but its documented results, and
 * what was encoded is decoded again, in whatever pieces it arrives.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { decodeChunks, decodeEverySplit, encodeRequest, type Decoder } from '../test/every-split.js';
import type { ReplyLimits, RequestLimits } from './limits.js';
import { ReplyDecoder } from './reply-decoder.js';
import { ChunkPool, ReplyEncoder } from './reply-encoder.js';
import { array, bulk, errorReply, integer, map, NULL_REPLY, set, simple, type Reply } from './reply.js';
import { RequestDecoder } from './request-decoder.js';

const requestLimits: RequestLimits = {
  authenticated: true,
  bulkBytesMax: 64,
  argCountMax: 8,
  lineBytesMax: 48,
  requestBytesMax: 1300,
};
const replyLimits: ReplyLimits = {
  bulkBytesMax: 64,
  lineBytesMax: 48,
  depthMax: 4,
  valueCountMax: 20,
  replyBytesMax: 400,
};

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** Bytes that come close to the protocol. */
const almostProtocol = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\r',
        '\n',
        '%',
        '~',
        '>',
        '|',
        '+',
        '-',
        ':',
        '_',
        '#',
        ',',
        '(',
        '=',
        '!',
        '"',
        "'",
        '\\x4',
      ),
      fc.constantFrom(
        '*1\r\n',
        '*2\r\n',
        '$1\r\na\r\n',
        '$3\r\nGET\r\n',
        ':1\r\n',
        '+OK\r\n',
        '%1\r\n',
        'PING\r\n',
        'post ',
        '-1',
      ),
      fc.nat({ max: 70 }).map(String),
      bytes(6).map((buffer) => buffer.toString('latin1')),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

/** A cutting of anything: sizes of pieces, used in turn. */
const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 });

function cutBy(input: Buffer, pieceSizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < input.length; i++) {
    const size = pieceSizes[i % pieceSizes.length] as number;
    pieces.push(input.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function agrees<T extends { kind: string }>(
  create: () => Decoder<T>,
  input: Buffer,
  pieceSizes: readonly number[],
): T[] {
  const whole = decodeChunks(create(), [input]);
  expect(decodeChunks(create(), cutBy(input, pieceSizes))).toEqual(whole);
  return whole;
}

describe('any bytes', () => {
  it('give requests and at most one final answer, the same however they are cut', () => {
    fc.assert(
      fc.property(fc.oneof(almostProtocol, bytes(200)), sizes, (input, pieceSizes) => {
        const results = agrees(() => new RequestDecoder(requestLimits), input, pieceSizes);
        results.forEach((result, i) => {
          if (result.kind === 'request') expect(result.args.length).toBeGreaterThan(0);
          else expect(i).toBe(results.length - 1);
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('give replies and at most one final answer, the same however they are cut', () => {
    fc.assert(
      fc.property(fc.oneof(almostProtocol, bytes(200)), sizes, (input, pieceSizes) => {
        agrees(() => new ReplyDecoder(replyLimits), input, pieceSizes);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the check itself', () => {
  it('notices a decoder that depends on how its input is cut', () => {
    /** Forgets an incomplete request when more bytes come. */
    const forgetful = (): Decoder<{ kind: string }> => {
      let decoder = new RequestDecoder();
      return {
        push: (chunk) => {
          if (decoder.pendingBytes > 0) decoder = new RequestDecoder();
          decoder.push(chunk);
        },
        next: () => decoder.next(),
      };
    };
    expect(() => decodeEverySplit(forgetful, encodeRequest(['GET', 'k']))).toThrow(/byte by byte|split at/);
  });
});

describe('round trips', () => {
  it('requests', () => {
    const name = fc.constantFrom('GET', 'set', 'x');
    const request = fc
      .tuple(name, fc.array(bytes(40), { maxLength: 6 }))
      .map(([first, rest]) => [Buffer.from(first), ...rest]);
    fc.assert(
      fc.property(fc.array(request, { maxLength: 8 }), sizes, (requests, pieceSizes) => {
        const input = Buffer.concat(requests.map(encodeRequest));
        const results = agrees(() => new RequestDecoder(), input, pieceSizes);
        expect(results).toEqual(requests.map((args) => ({ kind: 'request', args })));
      }),
      { numRuns: 500 },
    );
  });

  it('replies, in RESP3', () => {
    const line = fc.string({ maxLength: 20, unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, ''));
    const { reply } = fc.letrec<{ reply: Reply }>((tie) => ({
      reply: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(
          line.map(simple),
          line.map(errorReply),
          fc.maxSafeInteger().map(integer),
          bytes(30).map(bulk),
          fc.constant(NULL_REPLY),
          fc.boolean().map((value): Reply => ({ kind: 'boolean', value })),
          fc.double().map((value): Reply => ({ kind: 'double', value })),
          fc.bigInt().map((value): Reply => ({ kind: 'big-number', value })),
          bytes(30).map((value): Reply => ({ kind: 'verbatim', format: 'txt', value })),
        ),
        fc.array(tie('reply'), { maxLength: 4 }).map(array),
        fc.array(tie('reply'), { maxLength: 4 }).map(set),
        fc.array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 }).map(map),
      ),
    }));
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 4 }), sizes, (replies, pieceSizes) => {
        const encoder = new ReplyEncoder(3, new ChunkPool());
        for (const one of replies) encoder.reply(one);
        const input = Buffer.concat(encoder.take());
        expect(agrees(() => new ReplyDecoder(), input, pieceSizes)).toEqual(replies);
      }),
      { numRuns: 500 },
    );
  });
});
