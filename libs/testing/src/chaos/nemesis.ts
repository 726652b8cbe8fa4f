/**
 * Does harm to a cluster, one thing after the other, from a seed. Each fault is ended after a while; a disk is wiped
 * only while every partition is whole, so that nobody is asked to survive what nobody promised.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { SeededRandom } from '../simulation/random.js';
import type { ChaosCluster } from './chaos-cluster.js';

export const FAULTS = [
  'kill',
  'kill-two',
  'freeze',
  'restart',
  'wipe',
  'kill-master',
  'cut-inbound',
  'cut-from-master',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface NemesisOptions {
  readonly cluster: ChaosCluster;
  readonly random: SeededRandom;
  readonly faults: readonly Fault[];
  /** Between the end of one fault and the begin of the next, at most. */
  readonly calmMsMax: number;
  readonly faultMsMax: number;
  readonly log: (line: string) => void;
}

const FAULT_MS_MIN = 200;

export class Nemesis {
  readonly done = new Map<Fault, number>();

  constructor(private readonly options: NemesisOptions) {}

  /** Until `signal` is aborted. Whatever it has broken is whole again when this resolves, though perhaps still starting. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, faults, calmMsMax } = this.options;
    for (;;) {
      await pause(random.between(0, calmMsMax), signal);
      if (signal.aborted) return;
      const fault = random.pick(faults);
      await this.strike(fault, signal);
      this.done.set(fault, (this.done.get(fault) ?? 0) + 1);
    }
  }

  private async strike(fault: Fault, signal: AbortSignal): Promise<void> {
    const { cluster, random, faultMsMax, log } = this.options;
    const victims = this.shuffled(cluster.nodes().map(({ index }) => index));
    const [victim = 1, second = 1] = victims;
    const forMs = Math.round(random.between(FAULT_MS_MIN, faultMsMax));
    const hold = (): Promise<void> => pause(forMs, signal);
    const who =
      fault === 'kill-master' ? 'the master' : fault === 'kill-two' ? `${victim} and ${second}` : `${victim}`;
    log(`${fault} ${who} for ${forMs} ms`);
    switch (fault) {
      case 'kill':
        await cluster.killWorker(victim);
        await hold();
        return cluster.startWorker(victim);
      case 'kill-two':
        await Promise.all([cluster.killWorker(victim), cluster.killWorker(second)]);
        await hold();
        await Promise.all([cluster.startWorker(victim), cluster.startWorker(second)]);
        return;
      case 'freeze':
        cluster.freezeWorker(victim);
        await hold();
        cluster.thawWorker(victim);
        return;
      case 'restart':
        await cluster.stopWorker(victim);
        return cluster.startWorker(victim);
      case 'wipe':
        await cluster.untilFullService();
        await cluster.killWorker(victim);
        await cluster.wipeWorker(victim);
        await hold();
        await cluster.startWorker(victim);
        return cluster.untilFullService();
      case 'kill-master':
        await cluster.killMaster();
        await hold();
        return cluster.startMaster();
      case 'cut-inbound':
        cluster.cutInbound(victim);
        await hold();
        cluster.mendInbound(victim);
        return;
      case 'cut-from-master':
        cluster.cutFromMaster(victim);
        await hold();
        cluster.mendToMaster(victim);
        return;
    }
  }

  private shuffled(list: number[]): number[] {
    for (let i = list.length - 1; i > 0; i -= 1) {
      const j = this.options.random.below(i + 1);
      [list[i], list[j]] = [list[j] as number, list[i] as number];
    }
    return list;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
