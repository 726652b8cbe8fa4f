/**
 * The cluster as the master keeps it: the cluster map and the registrations, in the metadata store.
 *
 *     settings            encodeSettings: cluster id, placement, partitions; all but replication fixed for good
 *     generation          {v, gen}: how often this data was lost and rebuilt. Absent: never, the first
 *     taken-over          present if this master was told to take over a cluster whose master's data was lost
 *     formed              present once every partition of a `hashed` cluster has been created
 *     worker/<index>      encodeWorker: what the map says of a worker
 *     member/<index>      what only the master needs of it: registration, process id, supervised, leaving
 *     target/<partition>  encodeTarget: where the partition should be
 *     conf/<partition>    encodeConfiguration: who holds it
 *
 * The idea: every change is a commit to the store, and the map in memory is what a watch of the store makes of it. So
 * the map never shows what a crash could take back, and it would follow the commits of another master just as well.
 * A record's revision in the map is the store's revision of its last change, and the map's version is the store's.
 */
import { ConditionVariable, invariant, StoreError } from '@diststore/base';
import type {
  Configuration,
  Generation,
  MapDelta,
  PartitionConfiguration,
  PartitionId,
  Settings,
  TargetChange,
  Worker,
  WorkerRegistration,
} from '@diststore/cluster';
import {
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
  generation,
  partitionId,
} from '@diststore/cluster';
import type { PartitionRecord, Target } from '@diststore/cluster';
import { COMMIT_OPERATIONS_MAX } from '@diststore/metadata';
import type { Change, Compare, MetadataRecord, MetadataStore, RecordChange } from '@diststore/metadata';

import { type Formation, newSettings, refuseOtherFormation, withReplication } from './formation.js';
import { portions } from './portions.js';

/** What only the master needs to know of a worker. */
export interface MemberRow {
  readonly index: number;
  readonly registration: WorkerRegistration;
  /** Of the process that registered last. */
  readonly pid: number;
  /** Whether the master starts it again when it dies. */
  readonly supervised: boolean;
  /** Whether it is to be stopped and removed as soon as nothing is in sync on it any more. */
  readonly leaving: boolean;
}

const SETTINGS = 'settings';
const FORMED = 'formed';
const TAKEN_OVER = 'taken-over';
const GENERATION = 'generation';

export class ClusterState {
  private readonly members = new Map<number, MemberRow>();
  private gen: Generation = generation(1);
  /** By name: the revision at which a record that the master changes was last changed; 0 or absent: there is none. */
  private readonly revisions = new Map<string, number>();
  private readonly changed = new ConditionVariable();
  private readonly closing = new AbortController();
  private readonly dismissing = new AbortController();
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
      const value = JSON.stringify(encodeSettings(newSettings(formation)));
      const changes: Change[] = [{ type: 'put', name: SETTINGS, value }];
      if (formation.takeOver !== undefined) changes.push({ type: 'put', name: TAKEN_OVER, value: '{}' });
      // Another master may have been quicker: then its cluster is the one.
      await store.commit([{ name: SETTINGS, modRevision: 0 }], changes);
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
    const changed = withReplication(state.current.settings, formation);
    state.following = state.follow(revision + 1).catch((error: unknown) => {
      if (!state.closing.signal.aborted) onLost(error);
    });
    if (changed !== undefined) await state.saveSettings(changed);
    return state;
  }

  get map(): ClusterMap {
    return this.current;
  }

  /** Of this data. Durable. */
  get generation(): Generation {
    return this.gen;
  }

  /** Whether this master has taken over a cluster and does not know yet who holds all of its partitions. */
  get isTakingOver(): boolean {
    const { formed, settings } = this.current;
    return this.revisions.has(TAKEN_OVER) && settings.placement === 'hashed' && !formed;
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
    const { index, registration, pid, supervised, leaving } = row;
    const member = { v: FORMAT, registration: encodeRegistration(registration), pid, supervised, leaving };
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

  /** As `saveMember`. */
  async saveSettings(settings: Settings): Promise<void> {
    const value = JSON.stringify(encodeSettings({ ...settings, revision: 0 }));
    await this.change([{ type: 'put', name: SETTINGS, value }]);
  }

  /** Sets targets, each one revision above the one it replaces. As `saveMember`; what is before a failure is done. */
  async setTargets(targets: readonly TargetChange[]): Promise<void> {
    for (const some of portions(targets, COMMIT_OPERATIONS_MAX)) {
      await this.change(some.map(({ partition, target }) => targetPut(partition, target)));
    }
  }

  /**
   * Stores configurations that were decided on the map as it is now, all or none. Durable, and in the map, when it
   * resolves with true; with false one of them had changed, which is in the map by then.
   * REQUIRES: at most COMMIT_OPERATIONS_MAX, each of another partition.
   * @throws StoreError outcome-unknown, store-failed: it may or may not be done.
   */
  configure(configurations: readonly PartitionConfiguration[]): Promise<boolean> {
    return this.commit(configurations.map((each) => configurationPut(each.partition, each.configuration)));
  }

  /**
   * Replaces configurations and targets by rebuilt ones, and then begins the generation that they are of. A crash in
   * between leaves configurations of a generation above `generation`, by which it is noticed.
   * @throws as `saveMember`
   */
  async rebuild(
    gen: Generation,
    configurations: readonly PartitionConfiguration[],
    targets: readonly TargetChange[],
  ): Promise<void> {
    const changes = [
      ...configurations.map((each) => configurationPut(each.partition, each.configuration)),
      ...targets.map(({ partition, target }) => targetPut(partition, target)),
    ];
    for (const some of portions(changes, COMMIT_OPERATIONS_MAX)) await this.change(some);
    await this.change([{ type: 'put', name: GENERATION, value: JSON.stringify({ v: FORMAT, gen }) }]);
  }

  /** Creates partitions, each with its target. Durable, and in the map, when it resolves. @throws as `saveMember` */
  async create(
    partitions: readonly { partition: PartitionId; configuration: Configuration; target: Target }[],
  ): Promise<void> {
    // Two records each.
    for (const some of portions(partitions, COMMIT_OPERATIONS_MAX / 2)) {
      await this.change(
        some.flatMap(({ partition, configuration, target }) => [
          targetPut(partition, target),
          configurationPut(partition, configuration),
        ]),
      );
    }
  }

  /** Notes that every partition has been created. */
  async markFormed(): Promise<void> {
    if (!this.current.formed) await this.change([{ type: 'put', name: FORMED, value: '{}' }]);
  }

  /**
   * What a follower is missing, waiting for something to change for at most as long as `signal` is not aborted.
   * One with a map of an older generation gets everything, whatever its version: it comes from a history that was
   * lost, and versions of two histories cannot be compared. While `isHeld`, others get nothing, for the same reason.
   */
  async newsFor(
    { version, gen }: { readonly version: number; readonly gen: Generation | undefined },
    isHeld: () => boolean,
    signal: AbortSignal,
  ): Promise<MapDelta> {
    const isOfLostHistory = (): boolean => gen !== undefined && gen < this.gen;
    await this.changed.until(
      () => version === 0 || isOfLostHistory() || (!isHeld() && this.current.version > version),
      AbortSignal.any([signal, this.dismissing.signal]),
    );
    if (version === 0 || isOfLostHistory()) return this.current.deltaSince(0);
    return this.current.deltaSince(isHeld() ? Math.max(version, this.current.version) : version);
  }

  /** Followers wait no longer from now on: the server that they wait at is about to close. */
  dismiss(): void {
    this.dismissing.abort();
  }

  /** Resolves when the map is newer than `version`, or `signal` is aborted. */
  async untilNewer(version: number, signal: AbortSignal): Promise<void> {
    await this.changed.until(
      () => this.current.version > version,
      AbortSignal.any([signal, this.closing.signal]),
    );
  }

  /** Resolves with true when every partition of a `hashed` cluster has been created, at once under `local`. */
  untilFormed(signal: AbortSignal): Promise<boolean> {
    const isFormed = (): boolean => this.current.formed || this.current.settings.placement === 'local';
    return this.changed.until(isFormed, AbortSignal.any([signal, this.closing.signal]));
  }

  /** Ends the watch, and every wait. The store is its owner's to close, afterwards. */
  async close(): Promise<void> {
    this.dismiss();
    this.closing.abort();
    await this.following;
  }

  private async change(changes: readonly Change[]): Promise<void> {
    if (!(await this.commit(changes)))
      throw new StoreError('retry-later', 'The cluster was changed by somebody else at the same time.');
  }

  /** Commits against what is known, and waits for the map to have what came of it. */
  private async commit(changes: readonly Change[]): Promise<boolean> {
    const compares: Compare[] = changes.map(({ name }) => ({
      name,
      modRevision: this.revisions.get(name) ?? 0,
    }));
    const result = await this.store.commit(compares, changes);
    if (!result.ok && result.reason === 'lease-gone')
      throw new StoreError('retry-later', 'A lease has ended.');
    await this.changed.until(() => this.current.version >= result.revision, this.closing.signal);
    return result.ok;
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
      else if (kind === GENERATION) this.gen = generationOf(record);
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

function targetPut(partition: PartitionId, target: Target): Change {
  return { type: 'put', name: `target/${partition}`, value: JSON.stringify(encodeTarget(target)) };
}

function configurationPut(partition: PartitionId, configuration: Configuration): Change {
  return {
    type: 'put',
    name: `conf/${partition}`,
    value: JSON.stringify(encodeConfiguration(configuration)),
  };
}

function settingsOf({ value, modRevision }: MetadataRecord): Settings {
  return { ...decodeSettings(JSON.parse(value)), revision: modRevision };
}

function generationOf({ value }: MetadataRecord): Generation {
  const { v, gen } = JSON.parse(value) as { v: number; gen: number };
  requireFormat(GENERATION, v);
  return generation(gen);
}

function memberOf(index: number, { value }: MetadataRecord): MemberRow {
  const row = JSON.parse(value) as {
    v: number;
    registration: unknown;
    pid: number;
    supervised: boolean;
    leaving?: boolean;
  };
  requireFormat(`member/${index}`, row.v);
  return {
    index,
    registration: decodeRegistration(row.registration),
    pid: row.pid,
    supervised: row.supervised,
    leaving: row.leaving ?? false,
  };
}

function requireFormat(name: string, format: number): void {
  if (format === FORMAT) return;
  throw new StoreError('store-format', `${name} has format ${format}; this version reads ${FORMAT}.`);
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
