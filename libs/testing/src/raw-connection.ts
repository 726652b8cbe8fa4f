/** A TCP connection for what no HTTP client would send: garbage, half a request, or nothing at all. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { eventually, within } from './eventually.js';

export class RawConnection {
  private readonly chunks: Buffer[] = [];
  private readonly closed: Promise<void>;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => this.chunks.push(chunk));
    // A reset is one of the ways to be closed.
    socket.on('error', () => undefined);
    this.closed = once(socket, 'close').then(() => undefined);
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** What the other side has sent so far. */
  get received(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Sends no more, and still listens. */
  end(): void {
    this.socket.end();
  }

  /** Hangs up at once. */
  cut(): void {
    this.socket.resetAndDestroy();
  }

  untilReceived(pattern: RegExp): Promise<string> {
    return eventually(
      `the connection receives ${pattern.source}`,
      () => pattern.test(this.received) && this.received,
      {
        context: () => `Received: ${this.received}`,
      },
    );
  }

  /** Resolves with all that was received when the other side has closed. */
  async untilClosed(): Promise<string> {
    await within('the other side closes the connection', this.closed, {
      context: () => `Received: ${this.received}`,
    });
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}
