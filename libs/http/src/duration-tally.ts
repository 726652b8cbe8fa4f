/**
 * A Prometheus histogram of durations that costs next to nothing to add to.
 *
 * Plain numbers, brought into Prometheus's form only when it asks: prom-client's own histogram looks its labels up and
 * hashes them at every update, which is a twentieth of what a small write costs in all.
 */
export class DurationTally {
  /** Of all durations, in seconds. */
  sumS = 0;
  /** For each bound the durations that it is the least bound of; then those above all bounds. */
  private readonly perBucket: number[];

  /** @param boundsS upper bounds in seconds, ascending */
  constructor(readonly boundsS: readonly number[]) {
    this.perBucket = new Array<number>(boundsS.length + 1).fill(0);
  }

  add(seconds: number): void {
    const { boundsS } = this;
    this.sumS += seconds;
    let bucket = 0;
    while (bucket < boundsS.length && seconds > (boundsS[bucket] as number)) bucket++;
    this.perBucket[bucket] = (this.perBucket[bucket] as number) + 1;
  }

  /** Prometheus's buckets: how many durations were at most each bound, and last, how many there were. */
  cumulative(): number[] {
    let total = 0;
    return this.perBucket.map((count) => (total += count));
  }
}

export interface DurationSeries {
  /** Bounded in number, as all labels are. */
  readonly labels: Readonly<Record<string, string>>;
  readonly tally: DurationTally;
}

/** A metric in Prometheus's text format. */
export function histogramText(name: string, help: string, series: readonly DurationSeries[]): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const { labels, tally } of series) {
    // JSON escapes what a label value must have escaped: backslash, quote and newline.
    const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
    const suffix = pairs.length === 0 ? '' : `{${pairs.join()}}`;
    const counts = tally.cumulative();
    for (const [i, count] of counts.entries()) {
      const bound = [`le="${tally.boundsS[i] ?? '+Inf'}"`, ...pairs].join();
      lines.push(`${name}_bucket{${bound}} ${count}`);
    }
    lines.push(`${name}_sum${suffix} ${tally.sumS}`, `${name}_count${suffix} ${counts.at(-1) ?? 0}`);
  }
  return `${lines.join('\n')}\n`;
}
