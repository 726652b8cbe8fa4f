import { describe, expect, it } from '@jest/globals';

import { parseBit, parseBitField, parseBitOffset } from './bit-field.js';

const words = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word));

describe('BITFIELD', () => {
  it('reads its commands in order, each with the overflow stated before it', () => {
    const parsed = parseBitField(
      words('BITFIELD k SET i8 #2 -5 OVERFLOW sat INCRBY u63 10 7 GET i64 0 OVERFLOW FAIL incrby u1 0 1'),
      false,
    );
    expect(parsed).toEqual({
      ok: true,
      value: [
        { type: 'set', signed: true, bits: 8, offset: 16, value: -5n, overflow: 'wrap' },
        { type: 'add', signed: false, bits: 63, offset: 10, value: 7n, overflow: 'saturate' },
        { type: 'get', signed: true, bits: 64, offset: 0 },
        { type: 'add', signed: false, bits: 1, offset: 0, value: 1n, overflow: 'fail' },
      ],
    });
  });

  it.each([
    ['BITFIELD k GET', 'syntax'],
    ['BITFIELD k SET u8 0', 'syntax'],
    ['BITFIELD k OVERFLOW', 'syntax'],
    ['BITFIELD k OVERFLOW up', 'OVERFLOW type'],
    ['BITFIELD k GET u64 0', 'bitfield type'],
    ['BITFIELD k GET i65 0', 'bitfield type'],
    ['BITFIELD k GET u0 0', 'bitfield type'],
    ['BITFIELD k GET u 0', 'bitfield type'],
    ['BITFIELD k GET b8 0', 'bitfield type'],
    ['BITFIELD k GET u8 -1', 'bit offset'],
    ['BITFIELD k GET u8 4294967296', 'bit offset'],
    ['BITFIELD k GET u8 #536870912', 'bit offset'],
    ['BITFIELD k GET u8 #', 'bit offset'],
    ['BITFIELD k SET u8 0 9223372036854775808', 'not an integer'],
  ])('%s is refused: %s', (line, text) => {
    const parsed = parseBitField(words(line), false);
    expect(parsed.ok ? '' : parsed.error.text).toContain(text);
  });

  it('of the read-only form takes GET alone', () => {
    expect(parseBitField(words('BITFIELD_RO k GET u8 0'), true).ok).toBe(true);
    const parsed = parseBitField(words('BITFIELD_RO k INCRBY u8 0 1'), true);
    expect(parsed.ok ? '' : parsed.error.text).toBe('ERR BITFIELD_RO only supports the GET subcommand');
  });
});

describe('bits and offsets', () => {
  it('are as strict as other numbers', () => {
    expect(['0', '1', '2', '', '01', 'x'].map((text) => parseBit(Buffer.from(text)))).toEqual([
      0,
      1,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(
      ['0', '4294967295', '4294967296', '-1', ' 1'].map((text) => parseBitOffset(Buffer.from(text)).ok),
    ).toEqual([true, true, false, false, false]);
  });
});
