import { describe, expect, it } from '@jest/globals';

import { decodeChunks, decodeEverySplit } from '../test/every-split.js';
import { DEFAULT_REPLY_LIMITS, type ReplyLimits } from './limits.js';
import { ReplyDecoder } from './reply-decoder.js';
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

function decode(input: string, limits?: ReplyLimits) {
  return decodeEverySplit(() => new ReplyDecoder(limits), Buffer.from(input));
}

const small: ReplyLimits = {
  bulkBytesMax: 10,
  lineBytesMax: 20,
  depthMax: 3,
  valueCountMax: 5,
  replyBytesMax: 60,
};

describe('replies, however they are split', () => {
  it.each<[string, Reply[]]>([
    ['+OK\r\n', [simple('OK')]],
    ['+\r\n', [simple('')]],
    ['-ERR no\r\n', [errorReply('ERR no')]],
    [':0\r\n:-12\r\n:+3\r\n:-0\r\n', [integer(0), integer(-12), integer(3), integer(0)]],
    [':9223372036854775807\r\n', [integer(2n ** 63n - 1n)]],
    ['$3\r\na\r\n\r\n', [bulk('a\r\n')]],
    ['$0\r\n\r\n', [bulk('')]],
    ['$-1\r\n*-1\r\n_\r\n', [NULL_REPLY, NULL_ARRAY_REPLY, NULL_REPLY]],
    ['*0\r\n%0\r\n~0\r\n>0\r\n', [array([]), map([]), set([]), { kind: 'push', items: [] }]],
    ['*2\r\n*1\r\n:1\r\n$1\r\na\r\n', [array([array([integer(1)]), bulk('a')])]],
    [
      '%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n%0\r\n',
      [
        map([
          [simple('a'), array([integer(1)])],
          [simple('b'), map([])],
        ]),
      ],
    ],
    ['~2\r\n+a\r\n+b\r\n', [set([simple('a'), simple('b')])]],
    ['>2\r\n+invalidate\r\n_\r\n', [{ kind: 'push', items: [simple('invalidate'), NULL_REPLY] }]],
    [
      '#t\r\n#f\r\n',
      [
        { kind: 'boolean', value: true },
        { kind: 'boolean', value: false },
      ],
    ],
    [
      ',1.5\r\n,-inf\r\n,10\r\n,1e3\r\n,nan\r\n',
      [1.5, -Infinity, 10, 1000, NaN].map((value) => ({ kind: 'double', value })),
    ],
    ['(-349279238479283742934\r\n', [{ kind: 'big-number', value: -349279238479283742934n }]],
    ['=8\r\ntxt:text\r\n', [{ kind: 'verbatim', format: 'txt', value: Buffer.from('text') }]],
    ['!8\r\nERR a\r\nb\r\n', [errorReply('ERR a\r\nb')]],
    ['|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|1\r\n+x\r\n+y\r\n:2\r\n', [array([integer(1), integer(2)])]],
    ['|0\r\n:1\r\n', [integer(1)]],
    ['*2\r\n:1\r\n', []],
  ])('%j', (input, expected) => {
    expect(decode(input)).toEqual(expected);
  });
});

describe('what is no reply', () => {
  it.each<[string, string]>([
    ['x\r\n', "unexpected reply type 'x'"],
    ['\r\n', "unexpected reply type ' '"],
    ['$x\r\n', 'invalid bulk length'],
    ['$-2x\r\n', 'invalid bulk length'],
    ['!-1\r\n', 'invalid bulk length'],
    ['$?\r\n', 'invalid bulk length'],
    ['$1\r\nab\r\n', 'invalid bulk length'],
    ['*x\r\n', 'invalid multibulk length'],
    ['*?\r\n', 'invalid multibulk length'],
    ['%-1\r\n', 'invalid multibulk length'],
    [':\r\n', "invalid value after ':'"],
    [':1.5\r\n', "invalid value after ':'"],
    [',abc\r\n', "invalid value after ','"],
    ['#x\r\n', "invalid value after '#'"],
    ['_x\r\n', "invalid value after '_'"],
    ['(1.5\r\n', "invalid value after '('"],
    ['=3\r\ntxt\r\n', 'invalid verbatim string'],
    ['+OK\n', 'line feed without carriage return'],
  ])('%j: %s', (input, message) => {
    expect(decode(input)).toEqual([{ kind: 'protocol-error', message: `Protocol error: ${message}` }]);
  });
});

describe('bounds of a reply', () => {
  it.each<[string, string]>([
    ['$11\r\n', 'invalid bulk length'],
    [`+${'x'.repeat(20)}\r\n`, 'line too long'],
    ['*1\r\n*1\r\n*1\r\n*1\r\n', 'reply nested too deeply'],
    ['*6\r\n', 'too many values in a reply'],
    ['%3\r\n', 'too many values in a reply'],
    ['*2\r\n*2\r\n*2\r\n', 'too many values in a reply'],
    [`*5\r\n${'$8\r\n12345678\r\n'.repeat(5)}`, 'reply too big'],
  ])('%j: %s', (input, message) => {
    expect(decode(input, small)).toEqual([{ kind: 'protocol-error', message: `Protocol error: ${message}` }]);
  });

  it('hold for each reply, not for all together', () => {
    expect(decode('*2\r\n:1\r\n:2\r\n'.repeat(20), small)).toHaveLength(20);
  });

  it('refuse deep nesting instead of overflowing the stack', () => {
    const deep = Buffer.from(`${'*1\r\n'.repeat(100_000)}:1\r\n`);
    expect(decodeChunks(new ReplyDecoder(), [deep])).toEqual([
      { kind: 'protocol-error', message: 'Protocol error: reply nested too deeply' },
    ]);
    const limits = { ...DEFAULT_REPLY_LIMITS, depthMax: 200_000 };
    const [reply] = decodeChunks(new ReplyDecoder(limits), [deep]);
    expect(reply?.kind).toBe('array');
  });

  it('allocate nothing for an announced count', () => {
    const decoder = new ReplyDecoder();
    const start = process.memoryUsage().heapUsed;
    decoder.push(Buffer.from('*4000000\r\n$500000000\r\n'));
    expect(decoder.next()).toBeUndefined();
    expect(process.memoryUsage().heapUsed - start).toBeLessThan(1024 * 1024);
  });
});
