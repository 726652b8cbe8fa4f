/**
 * Which start of which store was seen last, so that a process that should be gone is not listened to.
 *
 * Every start of a worker raises the boot counter in its store before it talks to anybody. So a lower boot than one
 * seen before is a process, or a disk, of the past; and two processes with one boot means that a disk was copied or
 * rolled back. Boots are compared within one store only: which store a worker index belongs to is the host's to say.
 *
 * Volatile: a restart forgets, and the master's registration remembers.
 */
import type { PeerIdentity } from './hello.js';
import { refusal } from './refusal.js';
import type { Refusal } from './refusal.js';

/** Four stores for each possible worker. Beyond: the store that was heard of least recently is forgotten. */
const STORES_MAX = 4_096;

export class KnownBoots {
  /** Least recently heard of first. */
  private readonly byStore = new Map<string, { readonly boot: number; readonly nonce: string }>();

  constructor(private readonly storesMax = STORES_MAX) {}

  /** Why this process is not to be listened to, or undefined. Changes nothing. */
  problemOf({ worker, store, boot, nonce }: PeerIdentity): Refusal | undefined {
    const known = this.byStore.get(store);
    if (known === undefined || boot > known.boot) return undefined;
    if (boot < known.boot) {
      const detail = `worker ${worker} comes with boot ${boot} of store ${store}; boot ${known.boot} has been seen`;
      return refusal('older-boot', detail);
    }
    if (nonce === known.nonce) return undefined;
    const detail = `worker ${worker} is another process than the one seen with boot ${boot} of store ${store}`;
    return refusal('other-process', detail);
  }

  /**
   * Remembers a process that was let in. REQUIRES: `problemOf` finds nothing.
   * @returns whether earlier starts of its store were known, which are now the past.
   */
  learn({ store, boot, nonce }: PeerIdentity): boolean {
    const known = this.byStore.get(store);
    this.byStore.delete(store);
    this.byStore.set(store, { boot, nonce });
    if (this.byStore.size > this.storesMax) {
      for (const oldest of this.byStore.keys()) {
        this.byStore.delete(oldest);
        break;
      }
    }
    return known !== undefined && known.boot < boot;
  }
}
