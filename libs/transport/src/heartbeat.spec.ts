import { afterEach, describe, expect, it } from '@jest/globals';

import { until } from '../test/until.js';
import { Heartbeat } from './heartbeat.js';

describe('Heartbeat', () => {
  let heartbeat: Heartbeat | undefined;
  let quiet = 0;
  let silent = 0;
  afterEach(() => heartbeat?.stop());

  function begin(silentBeatsMax: number, onQuiet: () => void = () => undefined): Heartbeat {
    quiet = silent = 0;
    heartbeat = new Heartbeat({
      beatMs: 2,
      silentBeatsMax,
      onQuiet: () => {
        quiet++;
        onQuiet();
      },
      onSilent: () => {
        silent++;
      },
    });
    return heartbeat;
  }

  it('asks for a ping at each beat without anything sent', async () => {
    const beating = begin(1_000);
    await until(() => quiet === 3, 'three beats');
    beating.spoke = true;
    await until(() => quiet === 6, 'three more');
    expect(silent).toBe(0);
  });

  it('says once that the peer is silent', async () => {
    begin(3);
    await until(() => silent > 0, 'the verdict');
    const quietThen = quiet;
    expect(quietThen).toBeGreaterThanOrEqual(3);
    const endMs = performance.now() + 10;
    await until(() => performance.now() > endMs, 'some more beats');
    expect([silent, quiet]).toEqual([1, quietThen]);
  });

  it('looks at the sockets once more before it judges', async () => {
    // As when bytes lie in the socket while timers run: they are read after the timers of the same turn.
    const beating = begin(1, () => {
      setImmediate(() => (beating.heard = true));
    });
    await until(() => quiet === 5 || silent > 0, 'five beats');
    expect(silent).toBe(0);
  });

  it('does not count while nothing is read on purpose', async () => {
    const beating = begin(2);
    beating.deaf = true;
    await until(() => quiet === 6, 'six beats');
    expect(silent).toBe(0);
    beating.deaf = false;
    await until(() => silent === 1, 'the verdict');
  });
});
