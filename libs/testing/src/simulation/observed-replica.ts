/** The replica that runs in production, with a window for the checker. */
import type { Ver } from '@diststore/cluster';
import { Replica } from '@diststore/replication';
import type { Chain, Entry, ReplicaOptions, Role, Seq } from '@diststore/replication';

/** What the checker looks at besides the public face of a replica. */
export interface Probe {
  readonly role: Role;
  readonly committed: Seq;
  readonly reconciled: boolean;
  /** It takes no writes, because it is on its way out. */
  readonly leaving: boolean;
  /** Its data is a half-copied snapshot. */
  readonly isLoading: boolean;
  /** The version that it takes part in. */
  readonly installedVer: Ver | null;
  chainAt(seq: Seq): Chain | undefined;
  /** The entry, while it is in memory. */
  entryAt(seq: Seq): Entry | undefined;
}

export class ObservedReplica extends Replica {
  get probe(): Probe {
    const { state } = this;
    return {
      role: state.role,
      committed: state.committed,
      reconciled: this.rules.isReconciled(),
      leaving: state.leaving,
      isLoading: state.installed.state === 'loading',
      installedVer: state.installed.configuration,
      chainAt: (seq) => state.log.chainAt(seq),
      entryAt: (seq) => state.log.at(seq),
    };
  }
}

/** Makes the replicas of a run; a seeded bug is a replica that does one thing wrong. */
export type ReplicaFactory = (options: ReplicaOptions) => ObservedReplica;
