/** Reads a whole partition where it is led, to see that it can be read. No payloads are sent. */
import { setTimeout as sleep } from 'node:timers/promises';

import { StoreError } from '@diststore/base';
import { sameMember } from '@diststore/cluster';
import type { Member, PartitionId } from '@diststore/cluster';
import { PAGE_ENTRIES_MAX } from '@diststore/storage';

import type { Router } from './router.js';

/** Between two pages, of 1 MiB at most: clients come first. */
const PAUSE_MS = 15;

/** How often it is begun again because another replica leads. */
const BEGINNINGS_MAX = 4;

/**
 * What one replica gave says nothing about another: whenever the partition is led by another one than before, reading
 * begins again.
 * @param primaryOf who leads, as far as is known here
 * @throws StoreError record-corrupt: a record cannot be read anywhere; retry-later: the lead does not stay anywhere for
 *     long enough; or as `Router.page`
 */
export async function readThrough(
  router: Pick<Router, 'page'>,
  partition: PartitionId,
  primaryOf: (partition: PartitionId) => Member | undefined,
): Promise<void> {
  for (let beginning = 1; beginning <= BEGINNINGS_MAX; beginning += 1) {
    if (await readFromOne(router, partition, () => primaryOf(partition))) return;
  }
  throw new StoreError(
    'retry-later',
    `Partition ${partition} changes its primary too often to be read through.`,
    {
      facts: { partition },
    },
  );
}

/** @returns false: another replica leads than at the beginning */
async function readFromOne(
  router: Pick<Router, 'page'>,
  partition: PartitionId,
  primary: () => Member | undefined,
): Promise<boolean> {
  const options = { limit: PAGE_ENTRIES_MAX, keysOnly: true };
  const first = primary();
  for (let from: Buffer | undefined = Buffer.alloc(0); ;) {
    ({ next: from } = await router.page(partition, from, undefined, options));
    const now = primary();
    if (first === undefined || now === undefined || !sameMember(first, now)) return false;
    if (from === undefined) return true;
    await sleep(PAUSE_MS);
  }
}
