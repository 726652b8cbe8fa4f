/**
 * What the master must not forget, in its own LevelDB: one JSON row per fact, each durable before it is acted on.
 *
 *     cluster          {"v":1,"clusterId"}
 *     counters         {"v":1,"revision","registrations"}
 *     worker/<index>   {"v":1,"index","registration","http","pid","supervised"}
 */
import { randomBytes } from 'node:crypto';

import { StoreError } from '@diststore/base';
import type { Address, ClusterId, WorkerRegistration } from '@diststore/cluster';
import { metadataKey, metadataRange, type Storage, type WriteOp } from '@diststore/storage';

const FORMAT = 1;

export interface WorkerRow {
  readonly index: number;
  readonly registration: WorkerRegistration;
  readonly http: Address;
  /** Of the process that registered last. */
  readonly pid: number;
  /** Whether the master starts it again when it dies. */
  readonly supervised: boolean;
}

export interface Counters {
  /** Rises with every change of the metadata. */
  readonly revision: number;
  /** Registrations of a store so far. */
  readonly registrations: number;
}

export class Metadata {
  private constructor(
    private readonly storage: Storage,
    readonly clusterId: ClusterId,
    private counters: Counters,
    private readonly rows: Map<number, WorkerRow>,
  ) {}

  /** Forms the cluster if the store is empty: gives it its id, once and for all. */
  static async open(storage: Storage): Promise<Metadata> {
    const rows = new Map<number, WorkerRow>();
    let from: Buffer | undefined;
    const range = metadataRange('worker/');
    for (;;) {
      const gte: Buffer = from === undefined ? range.gte : Buffer.concat([from, Buffer.alloc(1)]);
      const page = await storage.page({ gte, lt: range.lt });
      for (const { value } of page.entries) {
        const row = decode(value) as WorkerRow;
        rows.set(row.index, row);
      }
      if (page.done) break;
      from = page.entries.at(-1)?.key;
    }
    const cluster = (await read(storage, 'cluster')) as { clusterId: ClusterId } | undefined;
    const counters = ((await read(storage, 'counters')) as Counters | undefined) ?? { revision: 0, registrations: 0 };
    const clusterId = cluster?.clusterId ?? (randomBytes(16).toString('hex') as ClusterId);
    if (cluster === undefined) await storage.write([put('cluster', { clusterId })]);
    return new Metadata(storage, clusterId, counters, rows);
  }

  get revision(): number {
    return this.counters.revision;
  }

  /** To give to the next registration of a store. */
  get nextRegistrationNumber(): number {
    return this.counters.registrations + 1;
  }

  workers(): WorkerRow[] {
    return [...this.rows.values()].sort((a, b) => a.index - b.index);
  }

  worker(index: number): WorkerRow | undefined {
    return this.rows.get(index);
  }

  /**
   * Adopts the row at once, so that a decision made meanwhile sees it, and resolves when it is durable: nothing may
   * be said in its name before.
   */
  async saveWorker(row: WorkerRow): Promise<void> {
    const registrations = Math.max(this.counters.registrations, row.registration.current.number);
    this.counters = { revision: this.counters.revision + 1, registrations };
    this.rows.set(row.index, row);
    await this.storage.write([put(`worker/${row.index}`, row), put('counters', this.counters)]);
  }
}

function put(name: string, value: object): WriteOp {
  return { type: 'put', key: metadataKey(name), value: Buffer.from(JSON.stringify({ v: FORMAT, ...value })) };
}

async function read(storage: Storage, name: string): Promise<object | undefined> {
  const bytes = await storage.get(metadataKey(name));
  return bytes === undefined ? undefined : decode(bytes);
}

/** The row, as `put` has written it. @throws StoreError store-format */
function decode(bytes: Buffer): object {
  const row = JSON.parse(bytes.toString()) as { v: number };
  if (row.v !== FORMAT)
    throw new StoreError('store-format', `A metadata row has format ${row.v}; this version reads ${FORMAT}.`);
  return row;
}
