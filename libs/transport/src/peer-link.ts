/**
 * Keeps one outgoing connection to one peer, for one channel.
 *
 *              opened()/send()              handshake done
 *     idle --------------------> connecting ---------------> open
 *      ^                          |      ^                     |
 *      |  delay over, on demand   | no   | delay over, eager   | closed, for whatever reason
 *      +-----------------------+  v      |                     |
 *                              waiting <-+---------------------+
 *
 *     close(): from anywhere to closed, for good
 *
 * An eager link connects by itself; one on demand when something is to be sent. While waiting, both refuse at once
 * with the last reason, so that a caller can go elsewhere rather than wait for a worker that is down.
 *
 * The delay doubles with each failure (backoff.ts), and starts again once a connection has lasted for two heartbeats:
 * one that is accepted and dropped again and again is not dialled faster and faster.
 */
import { invariant } from '@diststore/base';

import { Backoff } from './backoff.js';
import { dial } from './dial.js';
import type { DialOutcome, PeerAddress } from './dial.js';
import type { Accept, Endpoint } from './endpoint.js';
import type { Message } from './message.js';
import { PeerConnection } from './peer-connection.js';

export type LinkStatus = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed';

export interface LinkState {
  readonly worker: number;
  readonly address: PeerAddress;
  readonly channel: string;
  readonly status: LinkStatus;
  /** Wall clock, milliseconds, when it entered `status`. */
  readonly sinceMs: number;
  /** Why the last connection ended or the last attempt failed; undefined: neither has happened yet. */
  readonly lastReason: string | undefined;
}

export interface LinkTarget {
  readonly worker: number;
  readonly address: PeerAddress;
  readonly channel: string;
  readonly eager: boolean;
}

/** What became of the wish for a connection. `reason`: certainly none, at this time. */
export type Opening = { readonly connection: PeerConnection } | { readonly reason: string };

export class PeerLink {
  readonly worker: number;
  readonly channel: string;

  private readonly eager: boolean;
  private readonly backoff: Backoff;
  private address: PeerAddress;

  private status: LinkStatus = 'idle';
  private sinceMs: number;
  private lastReason: string | undefined = undefined;
  private connection: PeerConnection | undefined = undefined;
  private openedAtMs = 0;
  /** Since the first of the attempts in a row that came to nothing. */
  private failingSinceMs: number | undefined = undefined;
  private cancelDial: (() => void) | undefined = undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  /** Shared by all who wait for the attempt under way. */
  private opening: { promise: Promise<Opening>; resolve: (opening: Opening) => void } | undefined = undefined;

  constructor(
    private readonly endpoint: Endpoint,
    { worker, address, channel, eager }: LinkTarget,
    private readonly accept: Accept,
  ) {
    invariant(worker !== endpoint.identity.worker, 'a worker has no link to itself', { worker });
    const { backoffMinMs: minMs, backoffMaxMs: maxMs } = endpoint.limits;
    this.worker = worker;
    this.channel = channel;
    this.address = address;
    this.eager = eager;
    this.backoff = new Backoff({ minMs, maxMs }, endpoint.random);
    this.sinceMs = endpoint.clock.wallNowMs();
    if (eager) this.connect();
  }

  get state(): LinkState {
    const { worker, address, channel, status, sinceMs, lastReason } = this;
    return { worker, address, channel, status, sinceMs, lastReason };
  }

  /** The open connection, or undefined. */
  get current(): PeerConnection | undefined {
    return this.connection;
  }

  /**
   * Sends if the link is open; else begins to connect, if it may. Nothing is kept for later.
   * @returns as PeerConnection.send; 0: certainly not sent.
   */
  send(message: Message): number {
    if (this.connection !== undefined) return this.connection.send(message);
    if (this.status === 'idle') this.connect();
    return 0;
  }

  /**
   * The open connection, or the outcome of the attempt under way, or of one begun by this call, which takes at most
   * handshakeTimeoutMs. While waiting between attempts: none, at once. The connection may have closed again by the
   * time the caller goes on. Never rejects.
   */
  opened(): Promise<Opening> {
    if (this.connection !== undefined) return Promise.resolve({ connection: this.connection });
    if (this.status === 'idle') this.connect();
    if (this.status !== 'connecting')
      return Promise.resolve({ reason: this.lastReason ?? `the link is ${this.status}` });
    if (this.opening === undefined) {
      let resolve: (opening: Opening) => void = () => undefined;
      const promise = new Promise<Opening>((r) => (resolve = r));
      this.opening = { promise, resolve };
    }
    return this.opening.promise;
  }

  /** Dials `address` from now on. The connection to another address is cut. */
  moveTo(address: PeerAddress): void {
    if (address.host === this.address.host && address.port === this.address.port) return;
    this.address = address;
    this.backoff.reset();
    switch (this.status) {
      case 'open':
        this.connection?.cut('the peer has a new address');
        return;
      case 'connecting':
        this.cancelDial?.();
        this.connect();
        return;
      case 'waiting':
        clearTimeout(this.timer);
        this.afterWait();
        return;
      case 'idle':
      case 'closed':
        return;
    }
  }

  /** Ends the link for good, its connection in order within `deadlineMs`. May be called again. Never rejects. */
  async close(deadlineMs: number): Promise<void> {
    this.cancelDial?.();
    clearTimeout(this.timer);
    this.enter('closed');
    this.settleOpening({ reason: 'the link is closed' });
    await this.connection?.close(deadlineMs);
  }

  private connect(): void {
    const { endpoint, worker, address, channel } = this;
    this.enter('connecting');
    endpoint.counters.of(channel).dials++;
    const hello = endpoint.hello({ channel, to: worker });
    const timeoutMs = endpoint.limits.handshakeTimeoutMs;
    this.cancelDial = dial({ address, hello, timeoutMs }, (outcome) => {
      this.cancelDial = undefined;
      this.onDialled(outcome);
    });
  }

  private onDialled(outcome: DialOutcome): void {
    const { endpoint, worker, channel } = this;
    const result = outcome.ok
      ? endpoint.openOutgoing(
          outcome.upgraded,
          { worker, channel },
          {
            accept: this.accept,
            onFinished: ({ detail }) => {
              this.onFinished(detail);
            },
          },
        )
      : outcome;
    if (result instanceof PeerConnection) {
      this.connection = result;
      this.openedAtMs = endpoint.clock.monotonicNowMs();
      this.failingSinceMs = undefined;
      this.enter('open');
      this.settleOpening({ connection: result });
      return;
    }
    endpoint.counters.of(channel).dialsFailed++;
    // A refusal by this side has been reported as such.
    if (!outcome.ok) this.reportFailure(outcome.detail);
    this.wait(result.detail);
  }

  private reportFailure(detail: string): void {
    const { endpoint, worker, channel, address } = this;
    const nowMs = endpoint.clock.monotonicNowMs();
    this.failingSinceMs ??= nowMs;
    if (nowMs - this.failingSinceMs < endpoint.limits.dialPatienceMs) return;
    const at = `${address.host} port ${address.port}`;
    endpoint.report({ type: 'dial-failed', worker, channel, at, detail });
  }

  private onFinished(reason: string): void {
    this.connection = undefined;
    const lastedMs = this.endpoint.clock.monotonicNowMs() - this.openedAtMs;
    if (lastedMs >= 2 * this.endpoint.limits.heartbeatMs) this.backoff.reset();
    this.wait(reason);
  }

  private wait(reason: string): void {
    this.lastReason = reason;
    this.settleOpening({ reason });
    if (this.status === 'closed') return;
    this.enter('waiting');
    this.timer = setTimeout(() => {
      this.afterWait();
    }, this.backoff.next());
  }

  private afterWait(): void {
    if (this.eager) this.connect();
    else this.enter('idle');
  }

  private settleOpening(opening: Opening): void {
    this.opening?.resolve(opening);
    this.opening = undefined;
  }

  private enter(status: LinkStatus): void {
    this.status = status;
    this.sinceMs = this.endpoint.clock.wallNowMs();
  }
}
