import { describe, expect, it } from '@jest/globals';

import { ChunkPool, ReplyEncoder, type RespVersion } from './reply-encoder.js';
import {
  array,
  bulk,
  errorReply,
  integer,
  map,
  NULL_ARRAY_REPLY,
  NULL_REPLY,
  set,
  simple,
  type Reply,
} from './reply.js';

function written(version: RespVersion, write: (encoder: ReplyEncoder) => void): string {
  const encoder = new ReplyEncoder(version, new ChunkPool());
  write(encoder);
  return Buffer.concat(encoder.take()).toString();
}

describe('each kind of reply, in RESP2 and RESP3', () => {
  it.each<[string, Reply, string, string]>([
    ['simple', simple('OK'), '+OK\r\n', '+OK\r\n'],
    ['error', errorReply('ERR no'), '-ERR no\r\n', '-ERR no\r\n'],
    ['integer', integer(-12), ':-12\r\n', ':-12\r\n'],
    ['64 bits', integer(-(2n ** 63n)), ':-9223372036854775808\r\n', ':-9223372036854775808\r\n'],
    ['bulk', bulk('a\r\nb'), '$4\r\na\r\nb\r\n', '$4\r\na\r\nb\r\n'],
    ['null', NULL_REPLY, '$-1\r\n', '_\r\n'],
    ['null array', NULL_ARRAY_REPLY, '*-1\r\n', '_\r\n'],
    ['boolean', { kind: 'boolean', value: true }, ':1\r\n', '#t\r\n'],
    ['double', { kind: 'double', value: 1.5 }, '$3\r\n1.5\r\n', ',1.5\r\n'],
    ['infinity', { kind: 'double', value: -Infinity }, '$4\r\n-inf\r\n', ',-inf\r\n'],
    [
      'big number',
      { kind: 'big-number', value: 10n ** 20n },
      `$21\r\n1${'0'.repeat(20)}\r\n`,
      `(1${'0'.repeat(20)}\r\n`,
    ],
    [
      'verbatim',
      { kind: 'verbatim', format: 'txt', value: Buffer.from('hi') },
      '$2\r\nhi\r\n',
      '=6\r\ntxt:hi\r\n',
    ],
    ['array', array([integer(1), array([])]), '*2\r\n:1\r\n*0\r\n', '*2\r\n:1\r\n*0\r\n'],
    ['set', set([bulk('a')]), '*1\r\n$1\r\na\r\n', '~1\r\n$1\r\na\r\n'],
    ['push', { kind: 'push', items: [bulk('a')] }, '*1\r\n$1\r\na\r\n', '>1\r\n$1\r\na\r\n'],
    [
      'map',
      map([
        [bulk('a'), map([[integer(1), integer(2)]])],
        [bulk('b'), integer(3)],
      ]),
      '*4\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n$1\r\nb\r\n:3\r\n',
      '%2\r\n$1\r\na\r\n%1\r\n:1\r\n:2\r\n$1\r\nb\r\n:3\r\n',
    ],
  ])('%s', (_what, reply, resp2, resp3) => {
    expect(written(2, (encoder) => encoder.reply(reply))).toBe(resp2);
    expect(written(3, (encoder) => encoder.reply(reply))).toBe(resp3);
  });

  it('switches the version between two replies', () => {
    const write = (encoder: ReplyEncoder) => {
      encoder.null();
      encoder.version = 3;
      encoder.null();
    };
    expect(written(2, write)).toBe('$-1\r\n_\r\n');
  });
});

describe('details of the form', () => {
  it('line ends in one-line texts become spaces, with and without other characters', () => {
    expect(written(2, (encoder) => encoder.error("ERR unknown command 'a\r\nb'"))).toBe(
      "-ERR unknown command 'a  b'\r\n",
    );
    expect(written(2, (encoder) => encoder.simple('é\r\n€'))).toBe('+é  €\r\n');
  });

  it('JavaScript strings are sent as UTF-8, with their length in bytes', () => {
    expect(written(2, (encoder) => encoder.bulk('€'))).toBe('$3\r\n€\r\n');
  });

  it.each([0, 1, -1, 9, 10, 99, 100, 12345, -98765, 2 ** 31, 2 ** 53 - 1, 1 - 2 ** 53])(
    'integer %d',
    (value) => {
      expect(written(2, (encoder) => encoder.integer(value))).toBe(`:${value}\r\n`);
    },
  );

  it('refuses a number that is no exact integer', () => {
    expect(() => written(2, (encoder) => encoder.integer(2 ** 53))).toThrow('an integer reply is exact');
    expect(() => written(2, (encoder) => encoder.integer(1.5))).toThrow('an integer reply is exact');
  });
});

describe('buffers', () => {
  it('many small replies are few buffers', () => {
    const encoder = new ReplyEncoder(2, new ChunkPool());
    for (let i = 0; i < 1000; i++) encoder.bulk(`value ${i}`);
    expect(encoder.byteLength).toBeGreaterThan(14_000);
    const taken = encoder.take();
    expect(taken).toHaveLength(1);
    expect(encoder.byteLength).toBe(0);
    expect(encoder.take()).toEqual([]);
  });

  it('a large string is not copied', () => {
    const value = Buffer.alloc(100_000, 'x');
    const encoder = new ReplyEncoder(2, new ChunkPool());
    encoder.ok();
    encoder.bulk(value);
    encoder.ok();
    const taken = encoder.take();
    expect(taken).toHaveLength(3);
    expect(taken[1]).toBe(value);
    expect(Buffer.concat(taken).toString('latin1')).toBe(`+OK\r\n$100000\r\n${value.toString()}\r\n+OK\r\n`);
  });

  it('strings of every size around the boundaries arrive whole', () => {
    const encoder = new ReplyEncoder(2, new ChunkPool());
    const expected: string[] = [];
    for (const size of [
      0, 1, 8190, 8191, 8192, 8193, 32_760, 32_768, 40_000, 5, 8000, 8000, 8000, 8000, 8000,
    ]) {
      encoder.bulk(Buffer.alloc(size, 'y'));
      encoder.bulk('z'.repeat(size));
      expected.push(`$${size}\r\n${'y'.repeat(size)}\r\n$${size}\r\n${'z'.repeat(size)}\r\n`);
    }
    const length = encoder.byteLength;
    const all = Buffer.concat(encoder.take());
    expect(all.toString()).toBe(expected.join(''));
    expect(all.length).toBe(length);
  });

  it('what was taken is never written again, nor shared with another encoder', () => {
    const pool = new ChunkPool();
    const encoders = [new ReplyEncoder(2, pool), new ReplyEncoder(3, pool), new ReplyEncoder(2, pool)];
    const sent: [Buffer, string][] = [];
    for (let i = 0; i < 3000; i++) {
      const encoder = encoders[i % 3] as ReplyEncoder;
      encoder.bulk(`value ${i}`);
      if (i % 7 === 0) {
        for (const buffer of encoder.take()) sent.push([buffer, buffer.toString()]);
      }
    }
    for (const [buffer, text] of sent) expect(buffer.toString()).toBe(text);
    const all =
      sent.map(([, text]) => text).join('') +
      encoders.map((e) => Buffer.concat(e.take()).toString()).join('');
    for (let i = 0; i < 3000; i++) expect(all).toContain(`\r\nvalue ${i}\r\n`);
  });

  it('gives the rest of a chunk to the next encoder', () => {
    const pool = new ChunkPool();
    const [a, b] = [new ReplyEncoder(2, pool), new ReplyEncoder(2, pool)];
    a.ok();
    const [first] = a.take();
    b.ok();
    const [second] = b.take();
    expect(second?.buffer).toBe(first?.buffer);
  });

  it('deep values do not overflow the stack', () => {
    let reply: Reply = integer(1);
    for (let i = 0; i < 100_000; i++) reply = array([reply]);
    expect(written(2, (encoder) => encoder.reply(reply)).length).toBe(4 * 100_000 + 4);
  });
});
