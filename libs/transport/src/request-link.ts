/**
 * Requests to one peer, over a link that comes and goes: uses the open connection, waits for the one being made within
 * the request's deadline, and refuses at once while the peer cannot be reached.
 *
 * Nothing is sent twice: what could not be sent is the caller's to send again, to whom it likes.
 */
import type { PeerAddress } from './dial.js';
import type { Endpoint } from './endpoint.js';
import type { Message } from './message.js';
import { PeerLink } from './peer-link.js';
import type { LinkState, LinkTarget } from './peer-link.js';
import { RequestChannel } from './request-channel.js';
import type { NotSentReason, RequestOutcome } from './request-channel.js';

export class RequestLink {
  private readonly link: PeerLink;
  /** Of the latest connection, which may be closed. */
  private channel: RequestChannel | undefined = undefined;
  private waiting = 0;

  constructor(
    private readonly endpoint: Endpoint,
    target: LinkTarget,
  ) {
    const { limits, clock } = endpoint;
    const counters = endpoint.counters.of(target.channel);
    this.link = new PeerLink(
      endpoint,
      target,
      (connection) => (this.channel = new RequestChannel(connection, { limits, counters, clock })),
    );
  }

  get state(): LinkState {
    return this.link.state;
  }

  /** Requests that await their outcome. */
  get pendingCount(): number {
    return this.waiting + (this.channel?.pendingCount ?? 0);
  }

  /** As RequestChannel.request. */
  request(body: Message, deadlineMs: number): Promise<RequestOutcome> {
    if (this.link.current !== undefined && this.channel !== undefined)
      return this.channel.request(body, deadlineMs);
    return this.requestOnceOpen(body, deadlineMs);
  }

  moveTo(address: PeerAddress): void {
    this.link.moveTo(address);
  }

  close(deadlineMs: number): Promise<void> {
    return this.link.close(deadlineMs);
  }

  private async requestOnceOpen(body: Message, deadlineMs: number): Promise<RequestOutcome> {
    const { limits, clock } = this.endpoint;
    if (this.waiting >= limits.requestsMax)
      return this.notSent('busy', `${limits.requestsMax} requests wait for the connection (requestsMax)`);
    const startMs = clock.monotonicNowMs();
    this.waiting++;
    const opening = await this.openedWithin(deadlineMs);
    this.waiting--;
    if (opening === undefined) return this.notSent('deadline', 'the connection was not made in time');
    if ('reason' in opening) return this.notSent('not-connected', opening.reason);
    const leftMs = deadlineMs - (clock.monotonicNowMs() - startMs);
    // Closed again meanwhile: the channel says so itself.
    return this.channel?.request(body, leftMs) ?? this.notSent('not-connected', 'the link has no channel');
  }

  private async openedWithin(
    deadlineMs: number,
  ): Promise<Awaited<ReturnType<PeerLink['opened']>> | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, deadlineMs, undefined);
    });
    const first = await Promise.race([this.link.opened(), late]);
    clearTimeout(timer);
    return first;
  }

  private notSent(reason: NotSentReason, detail: string): RequestOutcome {
    this.endpoint.counters.of(this.link.channel).requestsNotSent++;
    return { outcome: 'not-sent', reason, detail };
  }
}
