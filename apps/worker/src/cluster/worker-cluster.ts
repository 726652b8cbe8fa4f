/**
 * What makes this worker part of a cluster, put together: its replicas, the map that they and the router go by, the
 * line to the master, and the links to the other workers. Here because each of them needs another one.
 *
 *     master ──map──► follower ──► replicas ◄──► other workers' replicas
 *       ▲                 │            ▲
 *       │ proposals,      ▼            │
 *       └─ registration  router ──► partitions here, or a question to the primary's worker
 *
 * A store that has been in a cluster before is served from the start, with or without the master. A new one has nothing
 * to serve until its first master has told it which cluster this is and which times that runs with.
 */
import { invariant, StoreError } from '@diststore/base';
import type { ClusterId, Generation, Registration, StoreId, WorkerIndex } from '@diststore/cluster';
import type { Lifecycle, Log } from '@diststore/process';
import { TIMINGS } from '@diststore/replication';
import type { Storage, StoreHeader } from '@diststore/storage';

import { Keyspace } from '../data/keyspace.js';
import { HttpMasterClient } from '../membership/master-client.js';
import { MasterLink } from '../membership/master-link.js';
import { Membership } from '../membership/membership.js';
import { Proposer } from '../membership/proposer.js';
import type { ReplicaObserver } from '../replication/replica-observer.js';
import { WorkerReplicas } from '../replication/worker-replicas.js';
import type { WriteLimits } from '../replication/write-call.js';
import { addressBookOf, PeerNetwork } from '../routing/peer-network.js';
import { Peers } from '../routing/peers.js';
import { readThrough } from '../routing/read-through.js';
import { Router } from '../routing/router.js';
import { MapFollower } from './map-follower.js';
import { standaloneMap } from './standalone.js';

export interface WorkerClusterOptions {
  readonly storage: Storage;
  /** As it was written at the start. */
  readonly header: StoreHeader;
  readonly index: WorkerIndex;
  readonly masterUrl: string;
  /** Serves without a master, as a cluster of one. */
  readonly standalone: boolean;
  readonly limits: WriteLimits;
  /** Log kept for replicas that have fallen behind, all partitions together. */
  readonly logBudgetBytes: number;
  readonly recordCacheBytes: number;
  /** What others are told of this worker. */
  readonly announced: Pick<Registration, 'http' | 'redisCluster' | 'redisGateway' | 'labels' | 'weight'>;
  readonly observer: ReplicaObserver;
  /** At every start, when it is known which cluster this store is of, before it holds anything. */
  readonly onJoined: (cluster: ClusterId) => Promise<void>;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** Entries that are kept in memory as well, for replicas that are a moment behind. */
const LOG_MEMORY_BYTES = 16 * 1024 * 1024;

export class WorkerCluster {
  readonly network: PeerNetwork;
  readonly peers: Peers;
  readonly replicas: WorkerReplicas;
  readonly follower: MapFollower;
  readonly keyspace: Keyspace;
  /** Undefined: this worker stands alone. */
  readonly master: MasterLink | undefined;
  private readonly membership: Membership;
  private readonly proposer: Proposer;

  private constructor(private readonly options: WorkerClusterOptions) {
    const { storage, header, index, masterUrl, limits, lifecycle, log } = options;
    const { boot, nonce } = header;
    const store = header.storeId as StoreId;
    const fatal = (error: unknown): void => lifecycle.fatal(error);
    this.membership = new Membership(storage, header);
    this.proposer = new Proposer(new HttpMasterClient(masterUrl), {
      worker: index,
      speaker: { store, boot, nonce },
    });
    const { maxValueBytes } = limits;
    const self = { worker: index, store, boot, nonce };
    this.network = new PeerNetwork({ self, maxValueBytes, random: Math.random, log });
    this.peers = new Peers(fatal);
    this.replicas = new WorkerReplicas({
      storage,
      worker: index,
      store,
      boot,
      isNewStore: boot === 1,
      propose: (proposal) => this.proposer.propose(proposal),
      canPropose: () => this.proposer.canPropose(),
      isMasterReachable: () => this.master?.isReachable ?? false,
      refreshMap: () => this.follower.refresh(),
      readElsewhere: (partition) =>
        readThrough(router, partition, (of) => this.follower.current?.configurationOf(of)?.primary),
      logBudgetBytes: options.logBudgetBytes,
      logMemoryBudgetBytes: LOG_MEMORY_BYTES,
      recordCacheBytes: options.recordCacheBytes,
      random: Math.random,
      observer: options.observer,
      log,
      fatal,
      limits,
      messageBytesMax: this.network.messageBytesMax,
    });
    this.follower = new MapFollower({
      masterUrl,
      storage,
      log,
      onMap: (map) => {
        const book = addressBookOf(map);
        this.replicas.adopt(map, book);
        this.peers.follow(book);
      },
    });
    const router = new Router(index, this.replicas, this.follower, this.peers, limits);
    this.peers.onQuestion((question) => router.answer(question));
    this.keyspace = new Keyspace(router, this.replicas, limits);
    this.master = options.standalone ? undefined : this.lineToMaster();
  }

  /**
   * Loads what the store holds. Nothing is sent before `start`.
   * @throws StoreError store-corrupt, store-format
   */
  static async open(options: WorkerClusterOptions): Promise<WorkerCluster> {
    const cluster = new WorkerCluster(options);
    const { follower, membership } = cluster;
    if (options.standalone) await cluster.standAlone();
    else {
      if (membership.clusterId !== null) await cluster.join(membership.clusterId, membership.fence);
      await follower.restore();
    }
    return cluster;
  }

  /** REQUIRES: others can reach this worker. */
  start(): void {
    this.replicas.start();
    if (this.master === undefined) return;
    this.follower.start();
    this.master.start();
  }

  /**
   * A planned stop: whatever others can take over is handed over first, unless all of the cluster stops. Clients are
   * served meanwhile, and afterwards by the others.
   */
  async leave(): Promise<void> {
    if (this.master === undefined) return;
    await this.master.stop();
    if (this.master.clusterStopping) return;
    if (!(await this.replicas.shutDown()))
      this.options.log.warn(
        'Some partitions were not handed over in time; others take them over as after a crash',
      );
  }

  async close(peersDeadlineMs: number): Promise<void> {
    this.proposer.close();
    await this.follower.stop();
    this.replicas.close();
    await this.network.close(peersDeadlineMs);
  }

  private async join(cluster: ClusterId, fence: Generation): Promise<void> {
    if (this.replicas.isOpen) return;
    await this.options.onJoined(cluster);
    const transport = this.network.join(cluster);
    this.peers.open(transport);
    await this.replicas.open(transport, { timing: TIMINGS[this.membership.timing ?? 'default'], fence });
  }

  private async standAlone(): Promise<void> {
    const { header, index, announced } = this.options;
    if (header.clusterId !== null) {
      const detail = `The store belongs to cluster ${header.clusterId}. Start it without --standalone.`;
      throw new StoreError('store-format', detail);
    }
    const map = standaloneMap({ index, store: header.storeId as StoreId, http: announced.http });
    await this.join(map.clusterId, this.membership.fence);
    await this.follower.restore();
    await this.follower.adopt(map);
  }

  private lineToMaster(): MasterLink {
    const { header, index, masterUrl, announced, lifecycle, log } = this.options;
    const { membership, replicas, follower, keyspace } = this;
    return new MasterLink({
      masterUrl,
      index,
      lifecycle,
      log,
      heartbeat: () => ({ keys: keyspace.keys, bytes: keyspace.bytes }),
      registration: () => ({
        store: header.storeId as StoreId,
        boot: header.boot,
        nonce: header.nonce,
        earlier: membership.earlierStarts,
        // A store that stood alone has a map, of a cluster of its own, and the master refuses it by that.
        clusterId: membership.clusterId ?? follower.current?.settings.clusterId ?? null,
        pid: process.pid,
        ...announced,
      }),
      standing: {
        membership,
        map: () => follower.current,
        installed: () => replicas.installed(),
        fence: (gen) => replicas.raiseFence(gen),
      },
      joined: async ({ clusterId }) => {
        invariant(membership.clusterId === clusterId, 'who is welcomed has accepted', { clusterId });
        await this.join(clusterId, membership.fence);
        // Whoever hears that this worker serves may ask it at once.
        await follower.refresh();
        follower.required();
      },
    });
  }
}
