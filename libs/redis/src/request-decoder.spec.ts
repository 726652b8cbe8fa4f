import { describe, expect, it } from '@jest/globals';

import { cut, decodeChunks, decodeEverySplit, encodeRequest } from '../test/every-split.js';
import { DEFAULT_REQUEST_LIMITS, UNAUTHENTICATED_REQUEST_LIMITS, type RequestLimits } from './limits.js';
import { RequestDecoder, type RequestDecoderResult } from './request-decoder.js';

/** A request as its arguments, the rest as one word or text. */
function shown(result: RequestDecoderResult): string[] | string {
  if (result.kind === 'request') return result.args.map((arg) => arg.toString('latin1'));
  return result.kind === 'protocol-error' ? result.message : `cross-protocol ${result.word}`;
}

function decode(input: string | Buffer, limits?: RequestLimits): (string[] | string)[] {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
  return decodeEverySplit(() => new RequestDecoder(limits), bytes).map(shown);
}

const small: RequestLimits = {
  authenticated: true,
  bulkBytesMax: 100,
  argCountMax: 4,
  lineBytesMax: 32,
  requestBytesMax: 1200,
};

describe('requests, however they are split', () => {
  it.each<[string, string, string[][]]>([
    ['one argument', '*1\r\n$4\r\nPING\r\n', [['PING']]],
    ['several', '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n', [['SET', 'k', 'value']]],
    ['empty strings', '*2\r\n$0\r\n\r\n$0\r\n\r\n', [['', '']]],
    ['any bytes', '*2\r\n$4\r\nECHO\r\n$6\r\n\r\n\0\xff$*\r\n', [['ECHO', '\r\n\0\xff$*']]],
    [
      'pipelined',
      '*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\nc d\r\n*1\r\n$1\r\ne\r\n',
      [['a'], ['b'], ['c', 'd'], ['e']],
    ],
    ['ten and more arguments', `*12\r\n${'$1\r\nx\r\n'.repeat(12)}`, [Array<string>(12).fill('x')]],
    ['no arguments: skipped', '*0\r\n*-1\r\n*-9223372036854775808\r\n\r\n  \r\n\n*1\r\n$1\r\na\r\n', [['a']]],
    ['an incomplete tail', '*1\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\n', [['a']]],
    ['nothing', '', []],
    ['inline', 'SET key "a b"\r\n', [['SET', 'key', 'a b']]],
    ['inline with a bare line feed', 'PING\nPING\r\n', [['PING'], ['PING']]],
    ['inline within binary-looking text', ' \t$3 *1\r\n', [['$3', '*1']]],
  ])('%s', (_what, input, expected) => {
    expect(decode(input)).toEqual(expected);
  });
});

describe('protocol errors in the words of Redis', () => {
  it.each<[string, string]>([
    ['*\r\n', 'invalid multibulk length'],
    ['*x\r\n', 'invalid multibulk length'],
    ['*-0\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['* 1\r\n', 'invalid multibulk length'],
    ['*1 \r\n', 'invalid multibulk length'],
    ['*2147483648\r\n', 'invalid multibulk length'],
    ['*99999999999999999999999\r\n', 'invalid multibulk length'],
    ['*1\rx', 'invalid multibulk length'],
    ['*1\r\nx', "expected '$', got 'x'"],
    ['*1\r\n\r\n', "expected '$', got ' '"],
    ['*1\r\n\n', "expected '$', got ' '"],
    ['*1\r\n*1\r\n', "expected '$', got '*'"],
    ['*2\r\n$1\r\na\r\nb', "expected '$', got 'b'"],
    ['*1\r\n$\r\n', 'invalid bulk length'],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$03\r\n', 'invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'invalid bulk length'],
    ['*1\r\n$4\r\nPINGXX', 'invalid bulk length'],
    ['*1\r\n$4\r\nPING\rX', 'invalid bulk length'],
    ['PING "a\r\n', 'unbalanced quotes in request'],
  ])('%j: %s', (input, message) => {
    expect(decode(input)).toEqual([`Protocol error: ${message}`]);
  });

  it('comes after the requests before it, and is final', () => {
    expect(decode('PING\r\n*x\r\n*1\r\n$4\r\nPING\r\n')).toEqual([
      ['PING'],
      'Protocol error: invalid multibulk length',
    ]);
    const decoder = new RequestDecoder();
    decoder.push(Buffer.from('*x\r\n'));
    const error = decoder.next();
    decoder.push(Buffer.from('PING\r\n'));
    expect(decoder.next()).toBe(error);
    expect(decoder.pendingBytes).toBe(0);
  });
});

describe('the cross-protocol guard', () => {
  it.each<[string, string]>([
    ['POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n', 'cross-protocol post'],
    ['Host: localhost:7001\r\n', 'cross-protocol host:'],
    ['hOSt: x\r\n', 'cross-protocol host:'],
    ['*1\r\n$4\r\npost\r\n', 'cross-protocol post'],
  ])('%j', (input, expected) => {
    expect(decode(input)).toEqual([expected]);
  });

  it('lets other words pass', () => {
    expect(decode('posts\r\nhost\r\nGET post\r\n')).toEqual([['posts'], ['host'], ['GET', 'post']]);
  });

  it('is final', () => {
    const decoder = new RequestDecoder();
    decoder.push(Buffer.from('POST /\r\nSET a b\r\n'));
    const guard = decoder.next();
    expect(decoder.next()).toBe(guard);
  });
});

describe('bounds', () => {
  it('argument bytes: the most is taken, one more refused at its announcement', () => {
    expect(decode(encodeRequest(['x'.repeat(100)]), small)).toEqual([['x'.repeat(100)]]);
    expect(decode('*1\r\n$101\r\n', small)).toEqual(['Protocol error: invalid bulk length']);
  });

  it('arguments', () => {
    expect(decode(encodeRequest(['a', 'b', 'c', 'd']), small)).toEqual([['a', 'b', 'c', 'd']]);
    expect(decode('*5\r\n', small)).toEqual(['Protocol error: invalid multibulk length']);
  });

  it('an inline command', () => {
    expect(decode(`${'a'.repeat(32)}\n`, small)).toEqual([['a'.repeat(32)]]);
    expect(decode(`${'a'.repeat(32)}\r\n`, small)).toEqual(['Protocol error: too big inline request']);
    expect(decode('a'.repeat(33), small)).toEqual(['Protocol error: too big inline request']);
  });

  it('length lines', () => {
    expect(decode(`*${'1'.repeat(31)}`, small)).toEqual([]);
    expect(decode(`*${'1'.repeat(32)}`, small)).toEqual(['Protocol error: too big mbulk count string']);
    expect(decode(`*1\r\n$${'1'.repeat(32)}`, small)).toEqual(['Protocol error: too big bulk count string']);
    expect(decode(`*1\r\n$${'1'.repeat(31)}\r\n`, small)).toEqual(['Protocol error: invalid bulk length']);
  });

  it('the whole request', () => {
    const limits = { ...small, argCountMax: 100 };
    expect(decode(encodeRequest(Array<string>(10).fill('12345678')), limits)).toHaveLength(1);
    expect(decode(encodeRequest(Array<string>(11).fill('12345678')), limits)).toEqual([
      'Protocol error: too big request',
    ]);
  });

  it('before authentication, with the texts that say so', () => {
    const limits = UNAUTHENTICATED_REQUEST_LIMITS;
    expect(decode(encodeRequest(['AUTH', ...Array<string>(9).fill('x')]), limits)).toHaveLength(1);
    expect(decode('*11\r\n', limits)).toEqual(['Protocol error: unauthenticated multibulk length']);
    expect(decode('*2147483648\r\n', limits)).toEqual(['Protocol error: invalid multibulk length']);
    expect(decode('*1\r\n$16385\r\n', limits)).toEqual(['Protocol error: unauthenticated bulk length']);
    expect(decode('*1\r\n$536870913\r\n', limits)).toEqual(['Protocol error: invalid bulk length']);
  });

  it('changed between two pipelined requests, from the second on', () => {
    const decoder = new RequestDecoder(UNAUTHENTICATED_REQUEST_LIMITS);
    decoder.push(Buffer.concat([encodeRequest(['AUTH', 'x']), encodeRequest(Array<string>(20).fill('x'))]));
    expect(decoder.next()).toMatchObject({ kind: 'request' });
    decoder.setLimits(DEFAULT_REQUEST_LIMITS);
    expect(decoder.next()).toMatchObject({ kind: 'request', args: { length: 20 } });
  });

  it('refuses limits that contradict each other', () => {
    expect(() => new RequestDecoder({ ...small, requestBytesMax: 100 })).toThrow('fits requestBytesMax');
  });
});

describe('memory', () => {
  const before = () => process.memoryUsage().arrayBuffers;

  it('an announced string allocates nothing', () => {
    const limits = { ...DEFAULT_REQUEST_LIMITS, bulkBytesMax: 2 ** 29, requestBytesMax: 2 ** 30 };
    const decoders = Array.from({ length: 20 }, () => new RequestDecoder(limits));
    const start = before();
    for (const decoder of decoders) {
      decoder.push(Buffer.from('*1048576\r\n$536870912\r\nabc'));
      expect(decoder.next()).toBeUndefined();
      expect(decoder.pendingBytes).toBe(3);
    }
    expect(before() - start).toBeLessThan(20 * 16 * 1024);
  });

  it('views the pushed chunk, and keeps nothing of it for an incomplete request', () => {
    const chunk = Buffer.concat([
      encodeRequest(['GET', 'key']),
      Buffer.from('*2\r\n$3\r\nGET\r\n$10\r\npart'),
    ]);
    const decoder = new RequestDecoder();
    decoder.push(chunk);
    const first = decoder.next();
    expect(first?.kind === 'request' && first.args[1]?.buffer === chunk.buffer).toBe(true);
    expect(decoder.next()).toBeUndefined();
    decoder.push(Buffer.from(' whole\r\n'));
    const second = decoder.next();
    expect(second).toMatchObject({ kind: 'request' });
    expect(second?.kind === 'request' && second.args[1]?.toString()).toBe('part whole');
    expect(second?.kind === 'request' && second.args[1]?.buffer !== chunk.buffer).toBe(true);
  });

  it('never changes an argument that was given out', () => {
    const inputs = Array.from({ length: 300 }, (_, i) =>
      encodeRequest(['SET', `key${i}`, 'v'.repeat(i * 7)]),
    );
    const results = decodeChunks(new RequestDecoder(), cut(Buffer.concat(inputs), 1000));
    expect(results.map(shown)).toEqual(inputs.map((_, i) => ['SET', `key${i}`, 'v'.repeat(i * 7)]));
  });

  it('reads large strings in time that grows with their length only', () => {
    const value = Buffer.alloc(8 * 1024 * 1024, 'x');
    const bytes = encodeRequest(['SET', 'k', value]);
    const [result] = decodeChunks(new RequestDecoder(), cut(bytes, 1000));
    expect(result?.kind === 'request' && result.args[2]?.equals(value)).toBe(true);
  });

  it('looks at a long line once, even byte by byte', () => {
    const decoder = new RequestDecoder();
    const byte = Buffer.from('1');
    decoder.push(Buffer.from('*'));
    let steps = 0;
    while (decoder.next() === undefined) {
      decoder.push(byte);
      steps++;
    }
    expect(steps).toBe(64 * 1024);
    expect(decoder.next()).toMatchObject({ message: 'Protocol error: too big mbulk count string' });
  });
});
