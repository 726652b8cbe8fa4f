/** How fresh a read has to be. */

/**
 * `linearizable` (default): what the primary holds, under its lease. `confirmed`: the same, after the other replicas
 * have confirmed that it still is the primary; rests on no clock. `stale`: what any replica holds.
 */
export type Consistency = 'linearizable' | 'confirmed' | 'stale';

export const CONSISTENCIES: readonly Consistency[] = ['linearizable', 'confirmed', 'stale'];
