/** Reads a whole partition where it is led, to see that it can be read. No payloads are sent. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { PartitionId } from '@diststore/cluster';
import { PAGE_ENTRIES_MAX } from '@diststore/storage';

import type { Router } from './router.js';

/** Between two pages, of 1 MiB at most: clients come first. */
const PAUSE_MS = 15;

/** @throws StoreError record-corrupt: a record cannot be read anywhere; or as `Router.page` */
export async function readThrough(router: Pick<Router, 'page'>, partition: PartitionId): Promise<void> {
  const options = { limit: PAGE_ENTRIES_MAX, keysOnly: true };
  for (let from: Buffer | undefined = Buffer.alloc(0); ;) {
    ({ next: from } = await router.page(partition, from, undefined, options));
    if (from === undefined) return;
    await sleep(PAUSE_MS);
  }
}
