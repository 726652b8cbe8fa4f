import { describe, expect, it } from '@jest/globals';

import { configuration as configurationOf, member } from '../../../cluster/test/fixtures.js';
import { putOf, replicaOf } from '../../test/fixtures.js';
import { APPLIED_NOTHING, newInstalled, problemOfLog } from '../durable-state.js';
import { decodeLogRow, encodeLogRow } from '../entry.js';
import type { Replica } from '../replica.js';
import type { DurableWrite, Effect, ReplicaEvent } from '../replica-event.js';

/** A replica that leads alone and has told nobody, as most do that never had a second one. */
class SoleReplica {
  private readonly replica: Replica;
  private nowMs = 0;

  constructor() {
    const self = member(1);
    const configuration = configurationOf({ insync: [self] });
    this.replica = replicaOf(self, {
      installed: { ...newInstalled(self.incarnation), configuration, tenure: true, waited: true },
      isNewStore: false,
    });
    this.step({ type: 'start' });
  }

  step(event: ReplicaEvent, clockSane = true): Effect[] {
    this.nowMs += 1;
    return this.replica.step(event, { nowMs: this.nowMs, clockSane });
  }

  put(key: string): Effect[] {
    return this.step(putOf(key));
  }
}

function writesOf(effects: readonly Effect[]): DurableWrite[] {
  return effects.flatMap((effect) => (effect.type === 'persist' ? effect.writes : []));
}

describe('a write to a sole replica', () => {
  it('goes into the data at once, without a log row', () => {
    const sole = new SoleReplica();
    expect(sole.put('k')).toEqual([]);
    const writes = writesOf(sole.step({ type: 'flush' }));
    expect(writes.map(({ type }) => type)).toEqual(['apply']);
  });

  it('is logged after all, soundly, if the machine cannot trust its clocks by the time of the flush', () => {
    const sole = new SoleReplica();
    sole.put('k');
    sole.put('l');
    const writes = writesOf(sole.step({ type: 'flush' }, false));
    const logged = writes.flatMap((write) => (write.type === 'append' ? write.entries : []));
    expect(logged.map((entry) => decodeLogRow(encodeLogRow(entry))?.seq)).toEqual([1, 2]);
    expect(problemOfLog(APPLIED_NOTHING, logged)).toBeUndefined();
  });
});
