import { describe, expect, it } from '@jest/globals';

import {
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type { Configuration } from '@diststore/cluster';

import { APPLIED_NOTHING, newInstalled, problemOfLog } from '../durable-state.js';
import { decodeLogRow, encodeLogRow } from '../entry.js';
import { Replica } from '../replica.js';
import type { DurableWrite, Effect, ReplicaEvent } from '../replica-event.js';
import { TIMINGS } from '../timing.js';

/** A replica that leads alone and has told nobody, as most do that never had a second one. */
class SoleReplica {
  private readonly replica: Replica;
  private nowMs = 0;

  constructor() {
    const self = {
      worker: workerIndex(1),
      store: storeId('a'.repeat(32)),
      incarnation: incarnation('b'.repeat(16)),
    };
    const configuration: Configuration = {
      gen: generation(1),
      epoch: epoch(1),
      insync: [self],
      primary: self,
      eligible: [],
      minInSync: 1,
      kind: 'create',
      proposalId: proposalId('c'.repeat(16)),
      by: 'master',
    };
    this.replica = new Replica({
      partition: partitionId(0),
      worker: self.worker,
      store: self.store,
      boot: 1,
      timing: TIMINGS.default,
      installed: { ...newInstalled(self.incarnation), configuration, tenure: true, waited: true },
      applied: APPLIED_NOTHING,
      entries: [],
      nowMs: 0,
      isNewStore: false,
      fence: generation(1),
      logBytes: 1024,
      logMemoryBytes: 1024,
    });
    this.step({ type: 'start' });
  }

  step(event: ReplicaEvent, clockSane = true): Effect[] {
    this.nowMs += 1;
    return this.replica.step(event, { nowMs: this.nowMs, clockSane });
  }

  put(key: string): Effect[] {
    return this.step({
      type: 'write',
      client: 1,
      wallMs: 1000,
      request: undefined,
      reads: { appliedSeq: 0, records: new Map() },
      command: () => ({
        type: 'write',
        counts: { keys: 1, bytes: 1 },
        result: new Uint8Array(0),
        ops: [
          {
            type: 'put',
            key: Buffer.from(key),
            expireAtMs: 0,
            contentType: undefined,
            payload: Buffer.from('v'),
            oldExpireAtMs: 0,
          },
        ],
      }),
    });
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
