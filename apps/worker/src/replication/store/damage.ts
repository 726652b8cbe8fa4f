/** What is done about a row that fails its checks is not for the reader of it to say. */
import type { StoreError } from '@diststore/base';

/**
 * Told of each damaged row that is met.
 * @returns what whoever reads it is told instead, because other replicas have the row; undefined: this is the only one.
 */
export type OnDamage = (damage: StoreError) => StoreError | undefined;
