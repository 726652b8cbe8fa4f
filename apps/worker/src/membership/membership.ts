/**
 * What this worker's store has promised its masters, in the header row of the store (store-header.ts of libs/storage).
 *
 * - `fence`: configurations of older generations are void. A master that rebuilds its data relies on it: it is durable
 *   before the worker answers, so nothing older can come back after a restart.
 * - `master`: the start of a master that is followed. Within one generation an older start is refused, and so is another
 *   process of the same start: two masters on copies of one directory, or one that was put back to an old copy. A
 *   refused master learns why from the next report, freezes, and may come back with a new generation.
 * - `timing`: what the replicas of this worker start with while no master can be asked.
 *
 * Invariants: nothing here falls; what is in memory is durable. The owner of the header row after the start: nobody
 * else writes it.
 */
import { StoreError } from '@diststore/base';
import type {
  ClusterId,
  Generation,
  MasterStart,
  StoreStart,
  TimingName,
  Welcomed,
} from '@diststore/cluster';
import { generation, isClusterId, TIMING_NAMES } from '@diststore/cluster';
import type { Storage, StoreHeader } from '@diststore/storage';
import { writeHeader } from '@diststore/storage';

export class Membership {
  /** @param header as it was read or written at the start. */
  constructor(
    private readonly storage: Storage,
    private header: StoreHeader,
  ) {}

  /** Before this one: see RegistrationRequest. */
  get earlierStarts(): readonly StoreStart[] {
    return this.header.earlier;
  }

  /** Null until a cluster was joined. */
  get clusterId(): ClusterId | null {
    const { clusterId } = this.header;
    return isClusterId(clusterId) ? clusterId : null;
  }

  get fence(): Generation {
    return generation(this.header.membership?.gen ?? 1);
  }

  get master(): MasterStart | null {
    const { membership } = this.header;
    return membership === undefined ? null : { boot: membership.masterBoot, nonce: membership.masterNonce };
  }

  /** Undefined until a master has said it. */
  get timing(): TimingName | undefined {
    return TIMING_NAMES.find((name) => name === this.header.membership?.timing);
  }

  /** Why the master that says this is not followed, or undefined. */
  refusalOf({ generation: gen, master: { boot, nonce } }: Welcomed): string | undefined {
    const { fence, master } = this;
    if (gen > fence || master === null) return undefined;
    if (gen < fence) return `it is of generation ${gen}, older than ${fence}, which this worker knows`;
    if (boot < master.boot) return `it is start ${boot} of the master, older than ${master.boot}`;
    return boot === master.boot && nonce !== master.nonce
      ? `it is another process of start ${boot} of the master: two run on copies of one directory`
      : undefined;
  }

  /**
   * Promises what the master asks, and remembers that this start was welcomed. Durable when it resolves. One call at a
   * time.
   * @throws StoreError worker-refused: the store belongs to another cluster.
   */
  async accept({ clusterId, generation: gen, master, timing }: Welcomed): Promise<void> {
    const known = this.clusterId;
    if (known !== null && known !== clusterId) {
      const detail = `this store belongs to cluster ${known}, the master to ${clusterId}`;
      throw new StoreError('worker-refused', detail, { facts: { final: true } });
    }
    const membership = { gen, masterBoot: master.boot, masterNonce: master.nonce, timing };
    const before = this.header.membership;
    const isKept =
      known !== null &&
      this.header.earlier.length === 0 &&
      before?.gen === gen &&
      before.masterBoot === master.boot &&
      before.masterNonce === master.nonce &&
      before.timing === timing;
    if (isKept) return;
    const header = { ...this.header, earlier: [], clusterId, membership };
    await writeHeader(this.storage, header);
    this.header = header;
  }
}
