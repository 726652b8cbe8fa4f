/** One seed, run and, if it fails, run again with a trace. */
import type { Profile } from './profile.js';
import { profileOf, PROFILES } from './profile.js';
import { Simulation } from './simulation.js';
import type { SimulationOptions, SimulationResult } from './simulation.js';

export interface SeedOptions extends Pick<SimulationOptions, 'factory' | 'masterFactory' | 'mistake'> {
  /** By name; absent: the seed chooses. */
  readonly profile?: string | undefined;
}

export function runSeed(seed: number, options: SeedOptions = {}): SimulationResult {
  const { profile, ...rest } = options;
  return new Simulation({ seed, profile: profileFor(seed, profile), ...rest }).run();
}

/** The same run again, which goes the same way, as lines for people. */
export function traceSeed(seed: number, options: SeedOptions = {}, verbose = false): string[] {
  const { profile, ...rest } = options;
  const lines: string[] = [];
  const sim: Simulation = new Simulation({
    seed,
    profile: profileFor(seed, profile),
    ...rest,
    trace: (line) => lines.push(line),
    ...(verbose
      ? {
          tracer: (worker, partition, event, effects) => {
            sim.trace(
              () =>
                `  ${worker.name}/${partition} ${summary(event)}${effects.map((effect) => `\n              -> ${summary(effect)}`).join('')}`,
            );
          },
        }
      : {}),
  });
  sim.run();
  return lines;
}

/** The command that shows a failing seed again. */
export function replayCommand({ seed, profile }: Pick<SimulationResult, 'seed' | 'profile'>): string {
  return `npm run sim -- --seed ${seed} --profile ${profile}`;
}

function profileFor(seed: number, name: string | undefined): Profile {
  const profile = name === undefined ? profileOf(seed) : PROFILES[name];
  if (profile === undefined)
    throw new Error(`There is no profile ${String(name)}; there are ${Object.keys(PROFILES).join(', ')}.`);
  return profile;
}

function summary(value: object): string {
  const short = JSON.stringify(value, (name, v: unknown) => {
    if (v instanceof Uint8Array) return `${v.length} bytes`;
    if (name === 'store' || name === 'incarnation') return typeof v === 'string' ? v.slice(0, 4) : v;
    if (v instanceof Map) return [...(v as Map<unknown, unknown>).keys()];
    if (name === 'bytes') return undefined;
    return v;
  });
  return short.length > 700 ? `${short.slice(0, 700)}…` : short;
}
