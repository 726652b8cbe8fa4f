/** What a cluster is formed with, and what of it a later start of the master may change: replication, nothing else. */
import { randomBytes } from 'node:crypto';

import { StoreError } from '@diststore/base';
import type { ClusterId, Settings } from '@diststore/cluster';
import { clusterId } from '@diststore/cluster';

/** `takeOver`: the id of a cluster that exists already, whose master's data is lost. */
export type Formation = { readonly takeOver?: ClusterId | undefined } & (
  | { readonly placement: 'local' }
  | {
      readonly placement: 'hashed';
      readonly partitionCount: number;
      /** Undefined: as it is, DEFAULT_REPLICATION_FACTOR for a new cluster. */
      readonly replicationFactor: number | undefined;
    }
);

/** Of a new cluster that was told no other. */
export const DEFAULT_REPLICATION_FACTOR = 3;

export function newSettings(formation: Formation): Settings {
  const base = {
    clusterId: formation.takeOver ?? clusterId(randomBytes(16).toString('hex')),
    revision: 0,
  };
  if (formation.placement === 'local') return { ...base, placement: 'local' };
  const { placement, partitionCount, replicationFactor = DEFAULT_REPLICATION_FACTOR } = formation;
  return { ...base, placement, partitionCount, replicationFactor, minInSyncMax: null };
}

/** @throws StoreError bad-parameter: the cluster was formed with another placement, or is another one. */
export function refuseOtherFormation(settings: Settings, formation: Formation): void {
  const { takeOver } = formation;
  if (takeOver !== undefined && takeOver !== settings.clusterId) {
    throw new StoreError(
      'bad-parameter',
      `This directory is of cluster ${settings.clusterId}. To take over cluster ${takeOver}, start the master with ` +
        'another --data-dir; otherwise leave --cluster-id out.',
    );
  }
  if (settings.placement === formation.placement) return;
  throw new StoreError(
    'bad-parameter',
    `This cluster was formed with placement ${settings.placement}, which cannot be changed to ${formation.placement}. ` +
      `Start the master with --placement=${settings.placement}, or with another --data-dir.`,
  );
}

/** The settings with the replication that is asked for, if that is another. */
export function withReplication(settings: Settings, formation: Formation): Settings | undefined {
  if (settings.placement === 'local' || formation.placement === 'local') return undefined;
  const { replicationFactor } = formation;
  if (replicationFactor === undefined || replicationFactor === settings.replicationFactor) return undefined;
  const { minInSyncMax: limit } = settings;
  const minInSyncMax = limit === null ? null : Math.min(limit, replicationFactor);
  return { ...settings, replicationFactor, minInSyncMax };
}
