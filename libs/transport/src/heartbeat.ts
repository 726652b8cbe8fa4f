/**
 * Keeps a connection from going silent, and notices when the other side has. Each side sends a ping when it has sent
 * nothing for a while; so each side hears the other all the time, and silence means that the peer, or the way from
 * it, is dead. No answer to a ping is needed: were one due, a ping behind a large message would make a busy link look
 * dead. When only the way to the peer is dead, the peer hears nothing and closes.
 *
 * Time is counted in beats of this side's own timer rather than on the clock: while this process stands still, no
 * beats pass, so after a pause it does not judge a peer by what lies unread in the socket.
 *
 * While the consumer has paused the connection, bytes are left unread on purpose, and silence is not counted.
 */
export interface HeartbeatOptions {
  readonly beatMs: number;
  /** Beats without a byte after which the peer is silent. */
  readonly silentBeatsMax: number;
  /** Called at every beat in which nothing was sent. */
  readonly onQuiet: () => void;
  /** Called once, and then no more beats pass. */
  readonly onSilent: () => void;
}

export class Heartbeat {
  /** Set by the connection when bytes have come. */
  heard = true;
  /** Set by the connection when it sends anything but a ping. */
  spoke = true;
  /** Kept by the connection: nothing is being read, on purpose. */
  deaf = false;

  private silentBeats = 0;
  private readonly timer: NodeJS.Timeout;
  private stopped = false;

  constructor(private readonly options: HeartbeatOptions) {
    this.timer = setInterval(() => {
      this.beat();
    }, options.beatMs);
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
  }

  private beat(): void {
    if (this.spoke) this.spoke = false;
    else this.options.onQuiet();
    this.silentBeats = this.heard || this.deaf ? 0 : this.silentBeats + 1;
    this.heard = false;
    // Timers run before sockets are read: the verdict waits for one look at them.
    if (this.silentBeats >= this.options.silentBeatsMax) setImmediate(() => this.judge());
  }

  private judge(): void {
    if (this.stopped || this.heard || this.deaf) return;
    this.stop();
    this.options.onSilent();
  }
}
