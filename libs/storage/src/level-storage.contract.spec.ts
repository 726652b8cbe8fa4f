import { describeStorage } from '@diststore/testing';

import { LevelStorage } from './level-storage.js';

describeStorage('LevelStorage', {
  durable: true,
  open: (options) => LevelStorage.open({ ...options, owner: 'the contract suite' }),
});
