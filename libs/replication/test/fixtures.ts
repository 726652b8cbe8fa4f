/** What specs of a replica have in common. */
import type { Member } from '@diststore/cluster';
import { generation, partitionId } from '@diststore/cluster';

import { APPLIED_NOTHING, newInstalled } from '../src/durable-state.js';
import { Replica } from '../src/replica.js';
import type { ReplicaEvent } from '../src/replica-event.js';
import type { ReplicaOptions } from '../src/replica/replica-state.js';
import { TIMINGS } from '../src/timing.js';

/** With default timing and an empty store, on which nothing is installed unless told otherwise. */
export function replicaOf({ worker, store, incarnation }: Member, parts: Partial<ReplicaOptions>): Replica {
  return new Replica({
    partition: partitionId(0),
    worker,
    store,
    boot: 1,
    timing: TIMINGS.default,
    installed: newInstalled(incarnation),
    applied: APPLIED_NOTHING,
    entries: [],
    nowMs: 0,
    isNewStore: true,
    fence: generation(1),
    logBytes: 1024,
    logMemoryBytes: 1024,
    ...parts,
  });
}

/** A client puts one key, whatever is there. */
export function putOf(key: string): Extract<ReplicaEvent, { type: 'write' }> {
  return {
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
  };
}
