/**
 * The worker's line to its master: registers, then says every moment that it is there.
 *
 *     searching ──registration welcome──► connected ──heartbeat fails──► searching
 *         └──refused for good──► the process ends
 *
 * The master is not on the data path: while the line is down the worker serves as before and keeps trying.
 */
import { EXIT, isStoreError, StoreError } from '@diststore/base';
import type { Heartbeat, Registration, Speaker, Welcomed } from '@diststore/cluster';
import { parseWelcomed } from '@diststore/cluster';
import type { Lifecycle, Log } from '@diststore/process';
import { request } from 'undici';

export interface MasterLinkOptions {
  readonly masterUrl: string;
  readonly index: number;
  /** Called for each registration, because the cluster may have become known in between. */
  readonly registration: () => Registration;
  readonly heartbeat: () => Pick<Heartbeat, 'keys' | 'bytes'>;
  /** Makes the membership durable before anything is done in its name. */
  readonly joined: (welcomed: Welcomed) => Promise<void>;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
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

export class MasterLink {
  private readonly speaker: Speaker;
  private welcomed: Welcomed | undefined;
  private reason: string | undefined = 'not tried yet';
  private retryMs = RETRY_MS_MIN;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly options: MasterLinkOptions) {
    const { store, boot, nonce } = options.registration();
    this.speaker = { store, boot, nonce };
  }

  status(): LinkStatus {
    const { masterUrl: url } = this.options;
    return this.welcomed === undefined
      ? { url, state: 'searching', ...(this.reason === undefined ? {} : { reason: this.reason }) }
      : { url, state: 'connected' };
  }

  start(): void {
    void this.takeTurn();
  }

  /** Tries at once instead of at the next turn; resolves with how it went. Never rejects. */
  async connect(): Promise<LinkStatus> {
    await this.takeTurn();
    return this.status();
  }

  /** Tells the master that the worker drains, and falls silent. */
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
      if (this.welcomed === undefined) await this.register();
      else await this.beat('serving');
    } catch (error) {
      this.lost(error);
    }
  }

  private async register(): Promise<void> {
    const welcomed = parseWelcomed(await this.put('registration', this.options.registration()));
    await this.options.joined(welcomed);
    this.welcomed = welcomed;
    this.reason = undefined;
    this.retryMs = RETRY_MS_MIN;
    this.options.log.log(
      `Registered with the master at ${this.options.masterUrl}, cluster ${welcomed.clusterId}`,
    );
    await this.beat('serving');
  }

  private async beat(state: Heartbeat['state']): Promise<void> {
    const message: Heartbeat = { ...this.speaker, state, ...this.options.heartbeat() };
    await this.put('heartbeat', message);
  }

  private lost(error: unknown): void {
    const { lifecycle, log, masterUrl } = this.options;
    const reason = error instanceof Error ? error.message : String(error);
    if (isStoreError(error, 'worker-refused') && error.facts['final'] === true) {
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

  private nextRetryMs(): number {
    const retryMs = this.retryMs;
    this.retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    // Jitter, so that a hundred workers do not greet a restarted master in the same millisecond.
    return retryMs * (0.5 + Math.random() / 2);
  }

  /** @returns the answer's JSON. @throws StoreError with the master's own code, or an Error when it did not answer. */
  private async put(what: 'registration' | 'heartbeat', message: unknown): Promise<unknown> {
    const answer = await request(
      new URL(`/v1/workers/${this.options.index}/${what}`, this.options.masterUrl),
      {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
        headersTimeout: REQUEST_TIMEOUT_MS,
        bodyTimeout: REQUEST_TIMEOUT_MS,
      },
    );
    const text = await answer.body.text();
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    if (answer.statusCode < 300) return json;
    const problem = json as { code?: unknown; detail?: unknown; final?: unknown } | undefined;
    if (problem?.code === 'worker-refused') {
      throw new StoreError('worker-refused', String(problem.detail), { facts: { final: problem.final } });
    }
    throw new Error(
      `it answered ${answer.statusCode}${typeof problem?.detail === 'string' ? `: ${problem.detail}` : ''}`,
    );
  }
}
