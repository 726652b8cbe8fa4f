/**
 * A Storage that does at the test's word what a real one does rarely: it refuses, fails, and lets others wait. In
 * between it is the storage that it wraps.
 */
import { StoreError } from '@diststore/base';
import type { KeyRange, Page, PageOptions, Snapshot, Storage, Trailer, WriteOp } from '@diststore/storage';

/** Holds up whoever comes, until it is opened. */
class Gate {
  private opened: Promise<void> | undefined;
  private open: () => void = () => undefined;

  /** @returns what opens it again. */
  close(): () => void {
    this.opened ??= new Promise((resolve) => (this.open = resolve));
    return () => {
      this.opened = undefined;
      this.open();
    };
  }

  async pass(): Promise<void> {
    await this.opened;
  }
}

export class FaultyStorage implements Storage {
  /** Every write is refused, as by a full queue. */
  refuseWrites = false;
  /** The next write fails, and with it all later ones. */
  failWrites = false;
  /** What was written, refused writes left out. */
  readonly written: (readonly WriteOp[])[] = [];

  private readonly beforeWrites = new Gate();
  private readonly beforeAcknowledgements = new Gate();
  private readonly beforePages = new Gate();

  constructor(private readonly inner: Storage) {}

  /** No write reaches the disk until the returned function is called. */
  holdWrites(): () => void {
    return this.beforeWrites.close();
  }

  /** Writes reach the disk, but nobody is told. */
  holdAcknowledgements(): () => void {
    return this.beforeAcknowledgements.close();
  }

  /** Pages are read, but handed out only when the returned function is called. */
  holdPages(): () => void {
    return this.beforePages.close();
  }

  write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void> {
    if (this.refuseWrites)
      throw new StoreError('too-many-requests', 'The write queue is full; nothing was written.');
    this.written.push(ops);
    return this.perform(ops, trailer);
  }

  private async perform(ops: readonly WriteOp[], trailer: Trailer | undefined): Promise<void> {
    await this.beforeWrites.pass();
    if (this.failWrites) throw new StoreError('store-failed', 'Writing to disk failed: EIO');
    await this.inner.write(ops, trailer);
    await this.beforeAcknowledgements.pass();
  }

  async page(range: KeyRange, options?: PageOptions): Promise<Page> {
    const page = await this.inner.page(range, options);
    await this.beforePages.pass();
    return page;
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.inner.get(key);
  }

  getSync(key: Buffer): Buffer | undefined {
    return this.inner.getSync(key);
  }

  read(key: Buffer): Buffer | undefined | Promise<Buffer | undefined> {
    return this.inner.read(key);
  }

  snapshot(): Snapshot {
    return this.inner.snapshot();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
