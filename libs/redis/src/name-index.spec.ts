import { describe, expect, it } from '@jest/globals';

import { equalsIgnoringCase } from './ascii.js';
import { ALL_COMMANDS } from './command-table.js';
import { NameIndex } from './name-index.js';

describe('NameIndex', () => {
  const names = ALL_COMMANDS.flatMap((command) => [command, ...command.subcommands]).map(
    ({ fullName }) => fullName,
  );
  const index = new NameIndex(names.map((name) => [name, name]));

  it('finds every name in any case', () => {
    for (const name of names) {
      const mixed = name.replace(/..?/g, (pair) => pair.charAt(0).toUpperCase() + pair.slice(1));
      for (const written of [name, name.toUpperCase(), mixed])
        expect(index.get(Buffer.from(written))).toBe(name);
    }
  });

  it.each(['', 'ge', 'gett', 'get ', 'g\xe9t', 'get\0', 'GE\x14', 'x'.repeat(1_000_000)])(
    'does not find %j',
    (name) => {
      expect(index.get(Buffer.from(name, 'latin1'))).toBeUndefined();
    },
  );

  it('folds letters only: @ and [ are not ` and {', () => {
    const symbols = new NameIndex([['a`{', 1]]);
    expect(symbols.get(Buffer.from('A`{'))).toBe(1);
    expect(symbols.get(Buffer.from('a@['))).toBeUndefined();
    expect(equalsIgnoringCase(Buffer.from('@['), '`{')).toBe(false);
  });

  it('refuses names that are equal or not in lower case', () => {
    expect(
      () =>
        new NameIndex([
          ['a', 1],
          ['a', 2],
        ]),
    ).toThrow('names differ');
    expect(() => new NameIndex([['A', 1]])).toThrow('without capitals');
  });

  it('may be empty', () => {
    expect(new NameIndex([]).get(Buffer.from('a'))).toBeUndefined();
  });
});
