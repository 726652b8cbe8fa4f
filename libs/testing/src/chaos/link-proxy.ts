/**
 * A link that can be cut: a TCP proxy in front of one server. Cut, it swallows what comes on both sides, as a network
 * does that drops packets: nobody is told, and bytes in flight are lost. Mended, it starts over with new connections.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class LinkProxy {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  private constructor(
    private readonly server: Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {}

  /** Rejects when the address is not to be had; port 0 takes a free one. */
  static async open(
    listen: { readonly host: string; readonly port: number },
    target: { readonly host: string; readonly port: number },
  ): Promise<LinkProxy> {
    const server = createServer({ allowHalfOpen: false, noDelay: true });
    const proxy = new LinkProxy(server, target);
    server.on('connection', (client) => proxy.join(client));
    server.listen({ ...listen, exclusive: true });
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** From now on nothing passes, in either direction; connections stay open and silent. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) {
      socket.unpipe();
      socket.removeAllListeners('data');
      // Read and thrown away: a sender does not notice.
      socket.on('data', () => undefined);
      socket.resume();
    }
  }

  /** Connections of the time of the cut are reset: what they lost cannot be made up for. */
  mend(): void {
    this.isCut = false;
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    this.hold(client);
    if (this.isCut) {
      client.resume();
      return;
    }
    const upstream = connect({ ...this.target, noDelay: true });
    this.hold(upstream);
    client.pipe(upstream);
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }

  private hold(socket: Socket): void {
    this.sockets.add(socket);
    // Whatever went wrong, the other side is closed by 'close'.
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }
}
