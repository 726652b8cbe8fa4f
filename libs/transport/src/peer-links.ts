/**
 * The links of one channel to all peers, by worker index, as an address book says: who is new is linked, who has moved
 * is followed, who is gone is let go.
 */
import type { PeerAddress } from './dial.js';
import type { LinkState } from './peer-link.js';

/** What a set of links needs of each: PeerLink and RequestLink have it. */
export interface Link {
  readonly state: LinkState;
  moveTo(address: PeerAddress): void;
  close(deadlineMs: number): Promise<void>;
}

/** How long the link to a worker that has left the address book may take to end in order. */
const LEAVE_MS = 1_000;

export class PeerLinks<L extends Link> {
  private readonly links = new Map<number, L>();
  private closed = false;

  /**
   * @param self index of this worker, to which there is no link.
   * @param create makes the link to one worker; called when the address book first names it.
   */
  constructor(
    private readonly self: number,
    private readonly create: (worker: number, address: PeerAddress) => L,
  ) {}

  /** Makes the links match `book`, which may name this worker too. Does nothing after `close`. */
  follow(book: Iterable<readonly [worker: number, address: PeerAddress]>): void {
    if (this.closed) return;
    const gone = new Set(this.links.keys());
    for (const [worker, address] of book) {
      if (worker === this.self) continue;
      gone.delete(worker);
      const link = this.links.get(worker);
      if (link === undefined) this.links.set(worker, this.create(worker, address));
      else link.moveTo(address);
    }
    for (const worker of gone) {
      // Never rejects, and ends by its own deadline.
      void this.links.get(worker)?.close(LEAVE_MS);
      this.links.delete(worker);
    }
  }

  /** The link to a worker, or undefined if the address book does not name it. */
  get(worker: number): L | undefined {
    return this.links.get(worker);
  }

  all(): Iterable<L> {
    return this.links.values();
  }

  /** Closes all links within `deadlineMs`, for good. Never rejects. */
  async close(deadlineMs: number): Promise<void> {
    this.closed = true;
    await Promise.all(Array.from(this.links.values(), (link) => link.close(deadlineMs)));
  }
}
