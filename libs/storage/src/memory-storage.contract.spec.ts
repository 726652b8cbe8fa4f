import { describeStorage } from '@diststore/testing';

import { MemoryStorage } from './memory-storage.js';

describeStorage('MemoryStorage', {
  durable: false,
  open: ({ observer }) => Promise.resolve(new MemoryStorage(observer)),
});
