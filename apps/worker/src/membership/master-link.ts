/**
 * The worker's line to its master: registers, then says every moment that it is there.
 *
 *     searching ──registration welcome──► connected ──heartbeat fails, or another generation──► searching
 *         ├──refused for good──► the process ends; not because the master, once known, is of another cluster now
 *         └──a higher generation: made durable, then registered again with what is installed here
 *
 * The master is not on the data path: while the line is down the worker serves as before and keeps trying.
 */
import { EXIT, isStoreError, StoreError } from '@diststore/base';
import type {
  ClusterMap,
  Generation,
  Heartbeat,
  HeartbeatAnswer,
  PartitionConfiguration,
  Registration,
  Report,
  Speaker,
  Welcomed,
} from '@diststore/cluster';
import { encodeReport, parseHeartbeatAnswer, parseWelcomed } from '@diststore/cluster';
import type { Lifecycle, Log } from '@diststore/process';

import { HttpMasterClient, type MasterClient } from './master-client.js';
import type { Membership } from './membership.js';

export interface MasterLinkOptions {
  readonly masterUrl: string;
  readonly index: number;
  /** Called for each registration, because the cluster may have become known in between. */
  readonly registration: () => Omit<Registration, 'report'>;
  readonly heartbeat: () => Pick<Heartbeat, 'keys' | 'bytes'>;
  /** Called when the master has welcomed this worker, before it says that it serves. */
  readonly joined: (welcomed: Welcomed) => Promise<void>;
  /** What makes this worker part of the recovery of a master's data; without it no report is sent. */
  readonly standing?: Standing;
  /** Default: HTTP. */
  readonly client?: MasterClient;
  readonly lifecycle: Pick<Lifecycle, 'fatal'>;
  readonly log: Log;
}

/** Where this worker stands in the cluster. */
export interface Standing {
  readonly membership: Membership;
  /** The map that is followed at present. */
  readonly map: () => ClusterMap | undefined;
  /**
   * The newest configuration known of each replica here, as in memory: what is still being written counts, because it
   * will be installed. Replicas in no configuration are left out.
   */
  readonly installed: () => readonly PartitionConfiguration[];
  /**
   * Makes every replica refuse configurations of older generations, from when it returns. The generation is durable.
   * What `installed` says afterwards is what the master rebuilds its data from.
   */
  readonly fence: (gen: Generation) => void;
}

export interface LinkStatus {
  readonly url: string;
  readonly state: 'connected' | 'searching';
  /** Why it is not connected, for people. */
  readonly reason?: string;
}

/** No answer within this: the master is busy or gone. */
const REQUEST_TIMEOUT_MS = 3000;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5000;

/** To be welcomed takes one registration, in a new generation a second one; a third if that rises once more. */
const REGISTRATIONS_PER_TURN_MAX = 3;

export class MasterLink {
  private readonly speaker: Speaker;
  private readonly client: MasterClient;
  private welcomed: Welcomed | undefined;
  /** By a master, since the start. */
  private wasWelcomed = false;
  private reason: string | undefined = 'not tried yet';
  private retryMs = RETRY_MS_MIN;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> | undefined;
  private stopped = false;
  /** The configurations were reported to this process of a master, behind this generation. */
  private reportedTo: string | undefined;
  private isClusterStopping = false;

  constructor(private readonly options: MasterLinkOptions) {
    const { store, boot, nonce } = options.registration();
    this.speaker = { store, boot, nonce };
    this.client = options.client ?? new HttpMasterClient(options.masterUrl);
  }

  status(): LinkStatus {
    const { masterUrl: url } = this.options;
    return this.welcomed === undefined
      ? { url, state: 'searching', ...(this.reason === undefined ? {} : { reason: this.reason }) }
      : { url, state: 'connected' };
  }

  /** Whether the last exchange with the master went well. What replicas call `masterReachable`. */
  get isReachable(): boolean {
    return this.welcomed !== undefined;
  }

  /** Whether the master said that the whole cluster stops. Known for certain once `stop` has resolved. */
  get clusterStopping(): boolean {
    return this.isClusterStopping;
  }

  start(): void {
    void this.takeTurn();
  }

  /** Tries at once instead of at the next turn; resolves with how it went. Never rejects. */
  async connect(): Promise<LinkStatus> {
    await this.takeTurn();
    return this.status();
  }

  /** Tells the master that the worker drains, hears whether all of the cluster stops, and falls silent. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.turn;
    if (this.welcomed !== undefined) await this.beat('draining').catch(() => undefined);
  }

  /** One registration or heartbeat; calls that come meanwhile share it. Never rejects. */
  private takeTurn(): Promise<void> {
    this.turn ??= this.once().finally(() => {
      this.turn = undefined;
      if (this.stopped) return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.takeTurn(), this.welcomed?.heartbeatMs ?? this.nextRetryMs());
    });
    return this.turn;
  }

  private async once(): Promise<void> {
    try {
      if (this.welcomed !== undefined) {
        const answer = await this.beat('serving');
        if (!this.mustRegister(answer, this.welcomed)) return;
      }
      await this.register();
    } catch (error) {
      this.lost(error);
    }
  }

  private async register(): Promise<void> {
    const welcomed = await this.beWelcomed();
    await this.options.joined(welcomed);
    const isNew = this.welcomed === undefined;
    this.welcomed = welcomed;
    this.wasWelcomed = true;
    this.reason = undefined;
    this.retryMs = RETRY_MS_MIN;
    if (isNew) {
      this.options.log.log(
        `Registered with the master at ${this.options.masterUrl}, cluster ${welcomed.clusterId}`,
      );
    }
    await this.beat('serving');
  }

  /** Registers until the master has heard all that it asks for. */
  private async beWelcomed(): Promise<Welcomed> {
    const { registration, standing } = this.options;
    let isWhole = false;
    for (let sent = 1; ; sent += 1) {
      const report = this.report(isWhole);
      const message = { ...registration(), report: report === null ? null : encodeReport(report) };
      const welcomed = parseWelcomed(await this.put('registration', message));
      if (standing === undefined) return welcomed;
      const { membership } = standing;
      const refusal = membership.refusalOf(welcomed);
      if (refusal !== undefined) throw new Error(refusal);
      const isRaised = welcomed.generation > membership.fence;
      await membership.accept(welcomed);
      if (isRaised) {
        this.options.log.warn(
          `Generation ${welcomed.generation}: older configurations are refused from now on`,
        );
        standing.fence(welcomed.generation);
      }
      if (isWhole) this.reportedTo = addresseeOf(welcomed, welcomed.generation);
      const isWanted = welcomed.configurationsWanted && (isRaised || !isWhole);
      if (!isRaised && !isWanted) return welcomed;
      isWhole = welcomed.configurationsWanted;
      if (sent === REGISTRATIONS_PER_TURN_MAX) return welcomed;
    }
  }

  private report(isWhole: boolean): Report | null {
    const { standing } = this.options;
    if (standing === undefined) return null;
    const { fence: gen, master } = standing.membership;
    const map = standing.map();
    const mapGen = map?.generation;
    const installed = standing.installed();
    return {
      gen,
      map: map === undefined || mapGen === undefined ? null : { gen: mapGen, version: map.version },
      master,
      installed: installed.map(({ partition, configuration: { gen: of, epoch } }) => ({
        partition,
        ver: { gen: of, epoch },
      })),
      configurations: isWhole ? installed : null,
    };
  }

  /** The master has begun another generation, or needs to hear more than it has. */
  private mustRegister({ generation, configurationsWanted }: HeartbeatAnswer, welcomed: Welcomed): boolean {
    const { standing } = this.options;
    if (standing === undefined) return false;
    if (generation !== standing.membership.fence) return true;
    return configurationsWanted && this.reportedTo !== addresseeOf(welcomed, generation);
  }

  private async beat(state: Heartbeat['state']): Promise<HeartbeatAnswer> {
    const message: Heartbeat = { ...this.speaker, state, ...this.options.heartbeat() };
    const answer = parseHeartbeatAnswer(await this.put('heartbeat', message));
    this.isClusterStopping = answer.clusterStopping;
    return answer;
  }

  private lost(error: unknown): void {
    const { lifecycle, log, masterUrl } = this.options;
    const reason = error instanceof Error ? error.message : String(error);
    if (isStoreError(error, 'worker-refused') && this.endsBy(error)) {
      const detail = `The master at ${masterUrl} refused this worker: ${reason}`;
      lifecycle.fatal(new StoreError('worker-refused', detail), EXIT.refused);
      return;
    }
    this.welcomed = undefined;
    // Once for each new reason: a master that stays away must not fill the log.
    if (reason !== this.reason)
      log.warn(`No line to the master at ${masterUrl}: ${reason}. Serving without it; trying again.`);
    this.reason = reason;
  }

  /** A master of another cluster is a mistake at the start; later it has lost its data, and clients need the workers. */
  private endsBy({ facts }: StoreError): boolean {
    const isOfOtherCluster = facts['cluster'] !== undefined;
    return facts['final'] === true && !(isOfOtherCluster && this.wasWelcomed);
  }

  private nextRetryMs(): number {
    const retryMs = this.retryMs;
    this.retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    // Jitter, so that a hundred workers do not greet a restarted master in the same millisecond.
    return retryMs * (0.5 + Math.random() / 2);
  }

  private put(what: 'registration' | 'heartbeat', message: unknown): Promise<unknown> {
    const path = `/v1/workers/${this.options.index}/${what}`;
    return this.client.send('PUT', path, message, REQUEST_TIMEOUT_MS);
  }
}

function addresseeOf({ master: { boot, nonce } }: Welcomed, gen: Generation): string {
  return `${boot}/${nonce}/${gen}`;
}
