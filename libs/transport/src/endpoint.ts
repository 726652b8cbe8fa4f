/**
 * This process as its peers see it: who it is, whom it talks to, and the connections it has with them. What dials
 * (peer-link.ts) and what is dialled (peer-listener.ts) both end here.
 *
 * Invariants:
 * - There is at most one incoming connection per store and channel: a later one replaces it, since the peer opens
 *   another only when it has given up the first.
 * - Once a later start of a store is known, no connection with an earlier one is open.
 */
import type { Clock, Random } from '@diststore/base';
import { invariant } from '@diststore/base';

import type { CloseReason } from './close-reason.js';
import { TransportCounters } from './counters.js';
import type { Upgraded } from './dial.js';
import { FRAME, controlFrame } from './frame.js';
import { agreementWith, problemOfPeer } from './handshake.js';
import type { Dialled } from './handshake.js';
import { PROTOCOL_MAX, PROTOCOL_MIN, parseHello, problemOfHello } from './hello.js';
import type { Hello, PeerIdentity } from './hello.js';
import { KnownBoots } from './known-boots.js';
import { transportLimits } from './limits.js';
import type { TransportLimits } from './limits.js';
import { linger } from './linger.js';
import { PeerConnection } from './peer-connection.js';
import type { Consumer } from './peer-connection.js';
import { describeEvent } from './peer-event.js';
import type { Direction, PeerEvent, PeerEventListener } from './peer-event.js';
import { refusal } from './refusal.js';
import type { Refusal } from './refusal.js';
import { RepeatFilter } from './repeat-filter.js';

/** Makes what a new connection is for. Must neither throw nor close the connection; it may send. */
export type Accept = (connection: PeerConnection) => Consumer;

export interface EndpointOptions {
  readonly identity: PeerIdentity;
  /** What this process can do beyond the protocol version: names of a-z, 0-9 and `-`, at most 32. */
  readonly features?: readonly string[];
  /** Changes to the defaults. */
  readonly limits?: Partial<TransportLimits>;
  readonly clock: Clock;
  readonly random: Random;
  /** Judges every peer, dialled or dialling, whose hello has passed all other checks: a reason to refuse it, or undefined. */
  readonly admit?: (hello: Hello) => string | undefined;
  readonly onEvent?: PeerEventListener;
}

export class Endpoint {
  readonly identity: PeerIdentity;
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters = new TransportCounters();

  private readonly features: ReadonlySet<string>;
  private readonly admit: (hello: Hello) => string | undefined;
  private readonly onEvent: PeerEventListener;
  private readonly boots = new KnownBoots();
  private readonly repeats: RepeatFilter;
  private readonly open = new Set<PeerConnection>();
  /** By store and channel. */
  private readonly incoming = new Map<string, PeerConnection>();

  /** @throws InvariantError when identity, features or limits break their rules. */
  constructor(options: EndpointOptions) {
    this.identity = options.identity;
    this.limits = transportLimits(options.limits);
    this.clock = options.clock;
    this.random = options.random;
    this.features = new Set(options.features);
    this.admit = options.admit ?? (() => undefined);
    this.onEvent = options.onEvent ?? (() => undefined);
    this.repeats = new RepeatFilter(options.clock);
    const problem = problemOfHello(this.hello({ channel: 'any', to: options.identity.worker }));
    invariant(problem === undefined, 'a worker introduces itself correctly', { problem });
  }

  /** Open now, in both directions. */
  get connections(): ReadonlySet<PeerConnection> {
    return this.open;
  }

  get incomingCount(): number {
    return this.incoming.size;
  }

  hello({ channel, to }: { channel: string; to: number }): Hello {
    const { cluster, worker, store, boot, nonce } = this.identity;
    return {
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_MAX,
      features: [...this.features],
      cluster,
      worker,
      store,
      boot,
      nonce,
      channel,
      heartbeatMs: this.limits.heartbeatMs,
      to,
    };
  }

  /** Reads and judges the hello of a peer. */
  judge(helloText: string | undefined, dialled?: Dialled): { hello: Hello } | { refusal: Refusal } {
    const parsed = parseHello(helloText);
    if ('problem' in parsed) return { refusal: refusal('malformed', parsed.problem) };
    const rules = { self: this.identity, boots: this.boots, admit: this.admit };
    const problem = problemOfPeer(parsed.hello, rules, dialled);
    return problem === undefined ? parsed : { refusal: problem };
  }

  /** Opens a connection that was dialled from here, or tells the peer why not. */
  openOutgoing(
    upgraded: Upgraded,
    dialled: Dialled,
    hooks: { accept: Accept; onFinished: (reason: CloseReason) => void },
  ): PeerConnection | Refusal {
    const judged = this.judge(upgraded.helloText, dialled);
    if ('refusal' in judged) {
      this.reportRefusal('outgoing', `worker ${dialled.worker}`, judged.refusal);
      linger(upgraded.socket, controlFrame(FRAME.refusal, judged.refusal.detail));
      return judged.refusal;
    }
    return this.openConnection('outgoing', upgraded, judged.hello, hooks);
  }

  /** Opens a connection that was dialled from elsewhere. REQUIRES: judged, and told so. */
  openIncoming(upgraded: Omit<Upgraded, 'helloText'>, hello: Hello, accept: Accept): void {
    const key = incomingKey(hello);
    this.incoming.get(key)?.cut('the peer has opened another connection for the same channel');
    this.incoming.set(
      key,
      this.openConnection('incoming', upgraded, hello, { accept, onFinished: () => undefined }),
    );
  }

  reportRefusal(direction: Direction, from: string, { code, detail }: Refusal): void {
    this.counters.refusals++;
    this.report({ type: 'refused', direction, from, code, detail });
  }

  report(event: PeerEvent): void {
    const mayRepeat =
      event.type === 'refused' ||
      event.type === 'dial-failed' ||
      (event.type === 'closed' && event.reason.code === 'refused-by-peer');
    const suppressed = mayRepeat ? this.repeats.pass(describeEvent(event)) : 0;
    if (suppressed !== undefined) this.onEvent(event, suppressed);
  }

  private openConnection(
    direction: Direction,
    { socket, head }: Omit<Upgraded, 'helloText'>,
    peer: Hello,
    { accept, onFinished }: { accept: Accept; onFinished: (reason: CloseReason) => void },
  ): PeerConnection {
    const { channel, worker, boot } = peer;
    const counters = this.counters.of(channel);
    const connection = new PeerConnection({
      ...agreementWith(peer, this.features),
      socket,
      head,
      peer,
      direction,
      limits: this.limits,
      counters,
      onFinished: (finished, reason) => {
        this.forget(finished);
        counters.connectionsClosed++;
        if (reason.code === 'protocol-error') counters.protocolErrors++;
        if (reason.code === 'silent') counters.silences++;
        this.report({ type: 'closed', direction, worker, channel, reason });
        onFinished(reason);
      },
    });
    counters.connectionsOpened++;
    this.open.add(connection);
    this.report({ type: 'opened', direction, worker, channel, boot });
    connection.start(accept(connection));
    if (this.boots.learn(peer)) this.cutEarlierBoots(peer);
    return connection;
  }

  private cutEarlierBoots({ store, boot }: Hello): void {
    for (const connection of [...this.open]) {
      const { peer } = connection;
      if (peer.store === store && peer.boot < boot)
        connection.cut(`boot ${boot} of the same store has been seen`);
    }
  }

  private forget(connection: PeerConnection): void {
    this.open.delete(connection);
    const key = incomingKey(connection.peer);
    if (this.incoming.get(key) === connection) this.incoming.delete(key);
  }
}

function incomingKey({ store, channel }: Hello): string {
  return `${store} ${channel}`;
}
