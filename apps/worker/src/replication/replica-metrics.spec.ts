import { beforeEach, describe, expect, it } from '@jest/globals';
import { partitionId } from '@diststore/cluster';
import { Metrics } from '@diststore/http';

import type { HostedReplica } from './replica-host.js';
import { ReplicaMetrics } from './replica-metrics.js';

/** As much of a replica as the metrics look at. */
function hosted(partition: number, epoch: number, lagMs?: number): HostedReplica {
  const found = { partition: partitionId(partition), state: 'running', configuration: { epoch }, lagMs };
  return found as HostedReplica;
}

describe('the metrics of replicas', () => {
  let here: HostedReplica[];
  let metrics: Metrics;

  beforeEach(() => {
    here = [];
    metrics = new Metrics({ name: 'test', version: '0' });
    new ReplicaMetrics().register(metrics, { hosted: () => here });
  });

  const read = async (name: string): Promise<number> => {
    const sample = new RegExp(`^${name} (.*)$`, 'm').exec(await metrics.text());
    return Number(sample?.[1]);
  };

  it('say how long a secondary has not heard its primary, at worst', async () => {
    expect(await read('diststore_replica_lag_seconds')).toBe(0);
    here = [hosted(0, 1), hosted(1, 1, 250), hosted(2, 1, 1500)];
    expect(await read('diststore_replica_lag_seconds')).toBe(1.5);
  });

  it('say the highest epoch, and how often one has changed while the replica was here', async () => {
    here = [hosted(0, 7), hosted(1, 3)];
    expect(await read('diststore_epoch_changes_total')).toBe(0);
    expect(await read('diststore_epoch_highest')).toBe(7);
    here = [hosted(0, 8), hosted(1, 5), hosted(2, 40)];
    expect(await read('diststore_epoch_changes_total')).toBe(3);
    // A generation begins at a lower epoch.
    here = [hosted(0, 1), hosted(2, 41)];
    expect(await read('diststore_epoch_changes_total')).toBe(4);
    expect(await read('diststore_epoch_highest')).toBe(41);
  });
});
