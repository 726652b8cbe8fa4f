/**
 * A short run of real faults: processes killed, frozen, restarted, wiped and cut off under load, and every answer that
 * clients got checked. `npm run chaos -- --minutes 30` is the long one; `CHAOS_SECONDS` and `CHAOS_SEED` change this one.
 */
import { describe, expect, it } from '@jest/globals';
import { faultsFor, runChaos, useSandbox } from '@diststore/testing';

const sandbox = useSandbox('all');

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 25);
const SEED = Number(process.env['CHAOS_SEED'] ?? 1);
const REPLICAS = 3;

describe('a cluster of three under faults', () => {
  it(
    'loses no acknowledged write and serves no stale read, and is whole again afterwards',
    async () => {
      const lines: string[] = [];
      const { violations, history, faults } = await runChaos(sandbox(), {
        seed: SEED,
        durationMs: SECONDS * 1000,
        workers: 3,
        replicas: REPLICAS,
        partitions: 8,
        faults: faultsFor({ replicas: REPLICAS, proxied: process.platform === 'linux' }),
        masterFlags: ['--timing=fast'],
        log: (line) => lines.push(line),
      });
      expect({ violations, faults: lines }).toMatchObject({ violations: [] });
      expect(faults.size).toBeGreaterThan(0);
      expect(history.acknowledgedWrites).toBeGreaterThan(100);
    },
    (SECONDS + 180) * 1000,
  );
});
