/**
 * A storage whose disk obeys the test: writes wait until they are let through, or fail after some of them have reached
 * the disk unnoticed, as a power failure has it.
 */
import { StoreError } from '@diststore/base';
import type { KeyRange, Page, PageOptions, Snapshot, Storage, Trailer, WriteOp } from '@diststore/storage';

interface HeldWrite {
  readonly ops: readonly WriteOp[];
  readonly trailer: Trailer | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class HeldStorage implements Storage {
  private readonly held: HeldWrite[] = [];
  private failed = false;
  /** Thrown at the next write, instead of taking it. */
  refusal: StoreError | undefined;

  constructor(private readonly disk: Storage) {}

  get heldWrites(): number {
    return this.held.length;
  }

  write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void> {
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal !== undefined) throw refusal;
    if (this.failed) throw new StoreError('store-closed', 'An earlier write failed.');
    return new Promise((resolve, reject) => this.held.push({ ops, trailer, resolve, reject }));
  }

  /** Lets the first `count` waiting writes through, and all who wait for them go on. */
  async release(count = this.held.length): Promise<void> {
    for (const { ops, trailer, resolve } of this.held.splice(0, count)) {
      await this.disk.write(ops, trailer);
      resolve();
    }
    await turn();
  }

  /** Fails: the first `reached` waiting writes are on the disk all the same, but nobody is told so. */
  async fail(reached = 0): Promise<void> {
    this.failed = true;
    for (const [i, { ops, trailer, reject }] of this.held.splice(0).entries()) {
      if (i < reached) await this.disk.write(ops, trailer);
      reject(new StoreError('store-failed', 'The disk has failed.'));
    }
    await turn();
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.disk.get(key);
  }

  getSync(key: Buffer): Buffer | undefined {
    return this.disk.getSync(key);
  }

  read(key: Buffer): Buffer | undefined | Promise<Buffer | undefined> {
    return this.disk.read(key);
  }

  page(range: KeyRange, options?: PageOptions): Promise<Page> {
    return this.disk.page(range, options);
  }

  snapshot(): Snapshot {
    return this.disk.snapshot();
  }

  close(): Promise<void> {
    return this.disk.close();
  }
}

/** Lets everything that can go on go on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
