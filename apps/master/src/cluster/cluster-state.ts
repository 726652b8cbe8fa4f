/**
 * The cluster as the master keeps it: the cluster map and the registrations, in the metadata store.
 *
 *     settings            encodeSettings: cluster id, placement, partitions. Written once, when the cluster is formed
 *     formed              present once every partition of a `hashed` cluster has been created
 *     worker/<index>      encodeWorker: what the map says of a worker
 *     member/<index>      what only the master needs of it: registration, process id, supervised
 *     target/<partition>  encodeTarget: where the partition should be
 *     conf/<partition>    encodeConfiguration: who holds it
 *
 * The idea: every change is a commit to the store, and the map in memory is what a watch of the store makes of it. So
 * the map never shows what a crash could take back, and it would follow the commits of another master just as well.
 * A record's revision in the map is the store's revision of its last change, and the map's version is the store's.
 */
import { randomBytes } from 'node:crypto';

import { invariant, StoreError } from '@diststore/base';
import type {
  Configuration,
  MapDelta,
  PartitionId,
  Settings,
  Worker,
  WorkerRegistration,
} from '@diststore/cluster';
import {
  clusterId,
  ClusterMap,
  decodeConfiguration,
  decodeRegistration,
  decodeSettings,
  decodeTarget,
  decodeWorker,
  encodeConfiguration,
  encodeRegistration,
  encodeSettings,
  encodeTarget,
  encodeWorker,
  partitionId,
} from '@diststore/cluster';
import type { PartitionRecord, Target } from '@diststore/cluster';
import { Condition } from '@diststore/process';
import type { Change, Compare, MetadataRecord, MetadataStore, RecordChange } from '@diststore/metadata';

/** What only the master needs to know of a worker. */
export interface MemberRow {
  readonly index: number;
  readonly registration: WorkerRegistration;
  /** Of the process that registered last. */
  readonly pid: number;
  /** Whether the master starts it again when it dies. */
  readonly supervised: boolean;
}

/** What a cluster is formed with; later only replication may change. */
export type Formation =
  | { readonly placement: 'local' }
  | { readonly placement: 'hashed'; readonly partitionCount: number; readonly replicationFactor: number };

const SETTINGS = 'settings';
const FORMED = 'formed';

export class ClusterState {
  private readonly members = new Map<number, MemberRow>();
  /** By name: the revision at which a record that the master changes was last changed; 0 or absent: there is none. */
  private readonly revisions = new Map<string, number>();
  private readonly changed = new Condition();
  private readonly closing = new AbortController();
  private following: Promise<void> = Promise.resolve();

  private constructor(
    private readonly store: MetadataStore,
    /** Durable; replaced by each news. */
    private current: ClusterMap,
  ) {}

  /**
   * Forms the cluster if the store is empty, and follows it from then on.
   * @param onLost called when the store has ended and the map no longer follows it: the process must end.
   * @throws StoreError bad-parameter: the cluster was formed with another placement or number of partitions.
   */
  static async open(
    store: MetadataStore,
    formation: Formation,
    onLost: (error: unknown) => void,
  ): Promise<ClusterState> {
    if ((await store.get(SETTINGS)) === undefined) {
      const settings: Settings = {
        ...(formation.placement === 'hashed' ? { ...formation, minInSyncMax: null } : formation),
        clusterId: clusterId(randomBytes(16).toString('hex')),
        revision: 0,
      };
      const value = JSON.stringify(encodeSettings(settings));
      // Another master may have been quicker: then its cluster is the one.
      await store.commit([{ name: SETTINGS, modRevision: 0 }], [{ type: 'put', name: SETTINGS, value }]);
    }
    const { revision, records } = await store.list('');
    const settings = records.find(({ name }) => name === SETTINGS);
    invariant(settings !== undefined, 'a formed cluster has settings');
    const state = new ClusterState(store, ClusterMap.empty(settingsOf(settings)));
    state.adopt(
      revision,
      records.map((record) => ({ name: record.name, record })),
    );
    refuseOtherFormation(state.current.settings, formation);
    state.following = state.follow(revision + 1).catch((error: unknown) => {
      if (!state.closing.signal.aborted) onLost(error);
    });
    return state;
  }

  get map(): ClusterMap {
    return this.current;
  }

  memberRows(): MemberRow[] {
    return [...this.members.values()].sort((a, b) => a.index - b.index);
  }

  member(index: number): MemberRow | undefined {
    return this.members.get(index);
  }

  /** To give to the next registration of a store. */
  get nextRegistrationNumber(): number {
    return Math.max(0, ...this.memberRows().map(({ registration }) => registration.current.number)) + 1;
  }

  /** Durable, and in the map, when it resolves. @throws StoreError retry-later: another change came first. */
  async saveMember(row: MemberRow, worker: Worker): Promise<void> {
    const { index, registration, pid, supervised } = row;
    const member = { v: FORMAT, registration: encodeRegistration(registration), pid, supervised };
    await this.change([
      { type: 'put', name: `member/${index}`, value: JSON.stringify(member) },
      {
        type: 'put',
        name: `worker/${index}`,
        value: JSON.stringify(encodeWorker({ ...worker, revision: 0 })),
      },
    ]);
  }

  /** As `saveMember`. */
  async saveWorker(worker: Worker): Promise<void> {
    const value = JSON.stringify(encodeWorker({ ...worker, revision: 0 }));
    await this.change([{ type: 'put', name: `worker/${worker.index}`, value }]);
  }

  /** Creates partitions, each with its target. Durable, and in the map, when it resolves. @throws as `saveMember` */
  async create(
    partitions: readonly { partition: PartitionId; configuration: Configuration; target: Target }[],
  ): Promise<void> {
    for (let from = 0; from < partitions.length; from += PARTITIONS_PER_COMMIT) {
      const some = partitions.slice(from, from + PARTITIONS_PER_COMMIT);
      await this.change(
        some.flatMap(({ partition, configuration, target }): Change[] => [
          { type: 'put', name: `target/${partition}`, value: JSON.stringify(encodeTarget(target)) },
          {
            type: 'put',
            name: `conf/${partition}`,
            value: JSON.stringify(encodeConfiguration(configuration)),
          },
        ]),
      );
    }
  }

  /** Notes that every partition has been created. */
  async markFormed(): Promise<void> {
    if (!this.current.formed) await this.change([{ type: 'put', name: FORMED, value: '{}' }]);
  }

  /**
   * What changed after `version`, waiting for something to change for at most as long as `signal` is not aborted.
   */
  async newsSince(version: number, signal: AbortSignal): Promise<MapDelta> {
    await this.changed.until(
      () => this.current.version > version,
      AbortSignal.any([signal, this.closing.signal]),
    );
    return this.current.deltaSince(version);
  }

  /** Resolves with true when every partition of a `hashed` cluster has been created, at once under `local`. */
  untilFormed(signal: AbortSignal): Promise<boolean> {
    const isFormed = (): boolean => this.current.formed || this.current.settings.placement === 'local';
    return this.changed.until(isFormed, AbortSignal.any([signal, this.closing.signal]));
  }

  /** Ends the watch, and every wait. The store is its owner's to close, afterwards. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.following;
  }

  /** Commits against what is known, and waits for the map to have it. */
  private async change(changes: readonly Change[]): Promise<void> {
    const compares: Compare[] = changes.map(({ name }) => ({
      name,
      modRevision: this.revisions.get(name) ?? 0,
    }));
    const result = await this.store.commit(compares, changes);
    if (!result.ok)
      throw new StoreError('retry-later', 'The cluster was changed by somebody else at the same time.');
    await this.changed.until(() => this.current.version >= result.revision, this.closing.signal);
  }

  private async follow(fromRevision: number): Promise<void> {
    for await (const news of this.store.watch('', fromRevision, this.closing.signal)) {
      invariant(news.type === 'changes', 'the master is never behind the history of its own store');
      this.adopt(news.revision, news.changes);
      this.changed.wake();
    }
  }

  private adopt(revision: number, changes: readonly RecordChange[]): void {
    const workers: Worker[] = [];
    const partitions: PartitionRecord[] = [];
    let { formed } = this.current;
    let settings: Settings | null = null;
    for (const { name, record } of changes) {
      this.revisions.set(name, record?.modRevision ?? 0);
      // Nothing of the cluster is ever deleted; a lease of another master's leadership may be.
      if (record === undefined) continue;
      const [kind, number] = name.split('/') as [string, string | undefined];
      if (kind === SETTINGS) settings = settingsOf(record);
      else if (kind === FORMED) formed = true;
      else if (kind === 'worker')
        workers.push({ ...decodeWorker(JSON.parse(record.value)), revision: record.modRevision });
      else if (kind === 'member') this.members.set(Number(number), memberOf(Number(number), record));
      else if (kind === 'conf' || kind === 'target')
        partitions.push(partitionOf(kind, Number(number), record));
    }
    const { clusterId: cluster } = this.current.settings;
    const delta = {
      clusterId: cluster,
      since: this.current.version,
      version: revision,
      formed,
      settings,
      workers,
      partitions,
    };
    const applied = this.current.apply(delta);
    invariant(applied.answer === 'applied', 'what the metadata store holds is a legal map', { applied });
    this.current = applied.map;
  }
}

const FORMAT = 1;

/** Two records each, within the operations that one commit takes. */
const PARTITIONS_PER_COMMIT = 64;

function settingsOf({ value, modRevision }: MetadataRecord): Settings {
  return { ...decodeSettings(JSON.parse(value)), revision: modRevision };
}

function memberOf(index: number, { value }: MetadataRecord): MemberRow {
  const row = JSON.parse(value) as { v: number; registration: unknown; pid: number; supervised: boolean };
  if (row.v !== FORMAT)
    throw new StoreError(
      'store-format',
      `member/${index} has format ${row.v}; this version reads ${FORMAT}.`,
    );
  return {
    index,
    registration: decodeRegistration(row.registration),
    pid: row.pid,
    supervised: row.supervised,
  };
}

function partitionOf(
  kind: 'conf' | 'target',
  number: number,
  { value, modRevision }: MetadataRecord,
): PartitionRecord {
  const json: unknown = JSON.parse(value);
  return {
    partition: partitionId(number),
    revision: modRevision,
    configuration: kind === 'conf' ? decodeConfiguration(json) : null,
    target: kind === 'target' ? decodeTarget(json) : null,
  };
}

function refuseOtherFormation(settings: Settings, formation: Formation): void {
  if (settings.placement !== formation.placement) {
    throw new StoreError(
      'bad-parameter',
      `This cluster was formed with placement ${settings.placement}, which cannot be changed to ${formation.placement}. ` +
        `Start the master with --placement=${settings.placement}, or with another --data-dir.`,
    );
  }
}
