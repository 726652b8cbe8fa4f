/**
 * The side that is dialled: grants or refuses the upgrade of a connection to a channel that this process serves.
 * Everything is decided in the turn in which the request arrives.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { invariant } from '@diststore/base';

import type { Accept, Endpoint } from './endpoint.js';
import { HELLO_HEADER, PEER_PATH, UPGRADE_PROTOCOL, encodeHello } from './hello.js';
import type { Hello } from './hello.js';
import { linger } from './linger.js';
import { refusal, refusalResponse } from './refusal.js';
import type { Refusal } from './refusal.js';

export class PeerListener {
  private readonly channels = new Map<string, Accept>();
  private closing = false;

  constructor(private readonly endpoint: Endpoint) {}

  /** Serves `channel` from now on. */
  serve(channel: string, accept: Accept): void {
    invariant(!this.channels.has(channel), 'a channel is served by one consumer', { channel });
    this.channels.set(channel, accept);
  }

  /** Refuses whoever comes from now on. */
  close(): void {
    this.closing = true;
  }

  /**
   * Takes over the connection of an HTTP request with `Upgrade: diststore-peer`, as a server's 'upgrade' event hands
   * it over. Never throws because of what the peer sent.
   */
  upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const judged = this.judge(req);
    if ('refusal' in judged) {
      this.endpoint.reportRefusal('incoming', judged.from, judged.refusal);
      linger(socket, refusalResponse(judged.refusal));
      return;
    }
    const { hello, accept } = judged;
    const answer = encodeHello(this.endpoint.hello({ channel: hello.channel, to: hello.worker }));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n` +
        `DistStore-Hello: ${answer}\r\n\r\n`,
    );
    this.endpoint.openIncoming({ socket, head }, hello, accept);
  }

  private judge(req: IncomingMessage): { hello: Hello; accept: Accept } | { refusal: Refusal; from: string } {
    const from = req.socket.remoteAddress ?? 'a closed connection';
    const refuse = (code: Refusal['code'], detail: string): { refusal: Refusal; from: string } => ({
      refusal: refusal(code, detail),
      from,
    });
    if (req.method !== 'GET' || req.url !== PEER_PATH)
      return refuse('malformed', `${UPGRADE_PROTOCOL} is spoken on GET ${PEER_PATH} only`);
    if (this.closing) return refuse('closing', `worker ${this.endpoint.identity.worker} is shutting down`);
    const judged = this.endpoint.judge(req.headers[HELLO_HEADER] as string | undefined);
    if ('refusal' in judged) return { ...judged, from };
    const { hello } = judged;
    const accept = this.channels.get(hello.channel);
    if (accept === undefined) return refuse('unknown-channel', `channel ${hello.channel} is not served here`);
    const { incomingMax } = this.endpoint.limits;
    if (this.endpoint.incomingCount >= incomingMax)
      return refuse('too-many', `${incomingMax} peer connections are open already (incomingMax)`);
    return { hello, accept };
  }
}
