/**
 * The network between workers, master and clients: it delays, and while faults last it loses, repeats and reorders.
 * A direction between two of them may be cut.
 */
import type { Profile } from './profile.js';
import type { SeededRandom } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/** Somebody with a place in the network. Workers are numbered from 1. */
export interface Station {
  readonly index: number;
  receive(run: () => void): void;
}

const MASTER = 0;
const CLIENTS = -1;

export class Network {
  /** Blocked directions, `from>to`, until when. */
  private readonly cuts = new Map<string, number>();
  private calm = false;

  constructor(
    private readonly time: VirtualTime,
    private readonly random: SeededRandom,
    private readonly profile: Profile,
  ) {}

  send(from: Station, to: Station, run: () => void): void {
    this.deliver(from.index, to.index, () => to.receive(run));
  }

  sendToMaster(from: Station, run: () => void): void {
    this.deliver(from.index, MASTER, run);
  }

  sendFromMaster(to: Station, run: () => void): void {
    this.deliver(MASTER, to.index, () => to.receive(run));
  }

  sendFromClient(to: Station, run: () => void): void {
    this.deliver(CLIENTS, to.index, () => to.receive(run));
  }

  sendToClient(from: Station, run: () => void): void {
    this.deliver(from.index, CLIENTS, run);
  }

  private deliver(from: number, to: number, run: () => void): void {
    const { random, profile, time } = this;
    if (this.isCut(from, to)) return;
    const disturbed = !this.calm;
    if (disturbed && random.chance(profile.loss)) return;
    const toMaster = from === MASTER || to === MASTER;
    const late = toMaster ? (profile.lateMaster ?? profile.late) : profile.late;
    const delayMs = (): number =>
      disturbed && random.chance(late) ? random.between(10, profile.lateMsMax) : random.between(0.1, 2);
    time.after(delayMs(), run);
    // Clients speak over connections, which do not repeat themselves; their retries do.
    if (disturbed && from >= 0 && to >= 0 && random.chance(profile.duplicate)) time.after(delayMs(), run);
  }

  private isCut(from: number, to: number): boolean {
    const until = this.cuts.get(`${from}>${to}`);
    return until !== undefined && until > this.time.nowMs;
  }

  /** One direction; `0` is the master. */
  cut(from: number, to: number, untilMs: number): void {
    this.cuts.set(`${from}>${to}`, untilMs);
  }

  cutBoth(a: number, b: number, untilMs: number): void {
    this.cut(a, b, untilMs);
    this.cut(b, a, untilMs);
  }

  /** From now on every message arrives, once and soon. */
  heal(): void {
    this.calm = true;
    this.cuts.clear();
  }
}
