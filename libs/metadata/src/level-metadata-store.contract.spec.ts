import { LevelStorage, MemoryStorage, type Storage } from '@diststore/storage';
import {
  describeMetadataStore,
  ManualClock,
  type MetadataFixture,
  TemporaryDirectory,
} from '@diststore/testing';

import { LevelMetadataStore } from './level-metadata-store.js';

/** Few enough to be pushed out by a test, and more than a test reads back. */
const HISTORY_COMMITS = 250;

class LevelFixture implements MetadataFixture {
  private readonly clock = new ManualClock();
  private store: LevelMetadataStore | undefined;
  private storage: Storage | undefined;

  constructor(
    private readonly openStorage: () => Promise<Storage>,
    private readonly closeStorage: (storage: Storage) => Promise<void>,
    private readonly removeStorage: () => Promise<void>,
  ) {}

  async open(): Promise<LevelMetadataStore> {
    if (this.storage !== undefined) await this.closeStorage(this.storage);
    this.storage = await this.openStorage();
    const history = { commitsMax: HISTORY_COMMITS };
    this.store = await LevelMetadataStore.open(this.storage, { clock: this.clock, history });
    return this.store;
  }

  async passTime(ms: number): Promise<void> {
    this.clock.nowMs += ms;
    await this.store?.expireLeases();
  }

  async compact(): Promise<void> {
    const put = { type: 'put', name: 'compact/a', value: '' } as const;
    for (let i = 0; i < HISTORY_COMMITS; i += 1) await this.store?.commit([], [put]);
  }

  async remove(): Promise<void> {
    await this.storage?.close();
    await this.removeStorage();
  }
}

describeMetadataStore('LevelMetadataStore in memory', {
  reopens: true,
  create: () => {
    const storage = new MemoryStorage();
    const fixture = new LevelFixture(
      () => Promise.resolve(storage),
      () => Promise.resolve(),
      () => Promise.resolve(),
    );
    return Promise.resolve(fixture);
  },
});

describeMetadataStore('LevelMetadataStore on LevelDB', {
  reopens: true,
  create: async () => {
    const directory = await TemporaryDirectory.create();
    const options = { directory: directory.path, owner: 'the contract suite' };
    return new LevelFixture(
      () => LevelStorage.open(options),
      (storage) => storage.close(),
      () => directory.remove(),
    );
  },
});
