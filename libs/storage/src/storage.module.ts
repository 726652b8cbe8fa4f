/**
 * Wiring only: opens the process's store and provides it under the STORAGE token. It is closed by the app's own
 * shutdown sequence, after the last request, not by a lifecycle hook that could run too early.
 */
import type { DynamicModule } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { isStoreError, type StoreError } from '@diststore/base';

import { LevelStorage, type LevelStorageOptions } from './level-storage.js';
import { MemoryStorage } from './memory-storage.js';
import type { Storage } from './storage.js';
import { STORAGE } from './storage.tokens.js';

export interface StorageModuleOptions extends LevelStorageOptions {
  readonly provider: 'level' | 'memory';
  /** The files are damaged. @returns whether they are gone, so that an empty store may be opened in their place. */
  readonly onDamaged?: (damage: StoreError) => Promise<boolean>;
}

export async function openStorage({ onDamaged, ...options }: StorageModuleOptions): Promise<Storage> {
  if (options.provider === 'memory') return new MemoryStorage(options.observer);
  try {
    return await LevelStorage.open(options);
  } catch (error) {
    if (!isStoreError(error, 'store-corrupt') || (await onDamaged?.(error)) !== true) throw error;
    return LevelStorage.open(options);
  }
}

@Module({})
export class StorageModule {
  /** Opens the store of `options` when the application starts; the start fails with its StoreError. */
  static forRoot(options: StorageModuleOptions): DynamicModule {
    const storage = { provide: STORAGE, useFactory: () => openStorage(options) };
    return { module: StorageModule, providers: [storage], exports: [storage] };
  }
}
