import { describe, expect, it } from '@jest/globals';

import { invariant, unreachable } from './invariant.js';

describe('invariant', () => {
  it('passes silently while the condition holds', () => {
    expect(() => invariant(true, 'holds')).not.toThrow();
  });

  it('throws what must hold together with the facts, big integers included', () => {
    expect(() => invariant(false, 'applied <= last', { applied: 3n, last: 2 })).toThrow(
      'Invariant broken: applied <= last {"applied":"3","last":2}',
    );
  });

  it('reports a case that a switch does not handle', () => {
    expect(() => unreachable('left out' as never)).toThrow('left out');
  });
});
