/**
 * Measures one row so that what disturbs the machine disturbs all contestants alike: in short rounds, in each of which
 * every contestant has its turn, in an order that changes. Ratios are taken within a round, and of everything the
 * median over the rounds is shown, with the spread.
 *
 * A row (rows/) is
 *     name, suite    for --only: the row alone, or with the others of its suite
 *     tools          optional: programs that must be on the PATH; without them the row is skipped
 *     title          what is measured
 *     unit           of its values: a rate, of which more is better, or `s` or `MiB`, of which less is
 *     rounds         optional: (settings) => how many, where that is not `settings.rounds`
 *     contestants    (stage) => [{ name, … }], running and warm; ours is the first. `ratioMin`: how much of this one's
 *                    rate ours shall reach; `maximum`: what this one's value shall not exceed
 *     measure        (contestant, stage) => { value, … }: one contestant's turn in one round. Optional: p50Ms, p99Ms,
 *                    loadCpu, serverCpu (shares of one CPU)
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** For what a contestant still does in the background when its turn is over. */
const PAUSE_MS = 50;

/** @returns one result for each contestant: its name, samples, medians, target, and for rates ours as a multiple of it. */
export async function measureRow(row, stage) {
  const contestants = await row.contestants(stage);
  const samples = contestants.map(() => []);
  const rounds = row.rounds?.(stage.settings) ?? stage.settings.rounds;
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = (round + turn) % contestants.length;
      samples[index].push(await row.measure(contestants[index], stage));
      await sleep(PAUSE_MS);
    }
  }
  return contestants.map((contestant, index) => {
    const compares = index > 0 && isRate(row.unit);
    return resultOf(contestant, samples[index], compares ? samples[0] : undefined);
  });
}

/** Whether more is better. */
export function isRate(unit) {
  return unit.endsWith('/s');
}

function resultOf({ name, ratioMin, maximum }, samples, ours) {
  const medianOf = (field) => summaryOf(samples.map((sample) => sample[field])).median;
  const value = summaryOf(samples.map((sample) => sample.value));
  const ratio = ours && summaryOf(ours.map((sample, round) => sample.value / samples[round].value));
  return {
    name,
    value,
    p50Ms: medianOf('p50Ms'),
    p99Ms: medianOf('p99Ms'),
    serverCpu: medianOf('serverCpu'),
    loadCpu: medianOf('loadCpu'),
    ratio,
    target: targetOf({ ratioMin, maximum }, value, ratio),
    samples,
  };
}

function targetOf({ ratioMin, maximum }, value, ratio) {
  if (ratioMin !== undefined) return { ratioMin, met: ratio.median >= ratioMin };
  if (maximum !== undefined) return { maximum, met: value.median <= maximum };
  return undefined;
}

/** Median, smallest and largest; all undefined when a value is. */
function summaryOf(values) {
  if (values.includes(undefined)) return {};
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}
