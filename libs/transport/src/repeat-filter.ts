/**
 * Says the same thing once a minute at most: a link that is refused is tried again for as long as it is refused, and
 * each attempt would be a line in the logs of two workers.
 */
import type { Clock } from '@diststore/base';

const QUIET_MS = 60_000;
/** Texts remembered. Beyond: the one said longest ago is forgotten, and may be said again early. */
const TEXTS_MAX = 512;

export class RepeatFilter {
  /** Said longest ago first. */
  private readonly said = new Map<string, { readonly atMs: number; suppressed: number }>();

  constructor(private readonly clock: Clock) {}

  /** How often `text` was suppressed since it was last said, if it may be said now; undefined: suppress it. */
  pass(text: string): number | undefined {
    const nowMs = this.clock.monotonicNowMs();
    const before = this.said.get(text);
    if (before !== undefined && nowMs - before.atMs < QUIET_MS) {
      before.suppressed++;
      return undefined;
    }
    this.said.delete(text);
    this.said.set(text, { atMs: nowMs, suppressed: 0 });
    if (this.said.size > TEXTS_MAX) {
      for (const oldest of this.said.keys()) {
        this.said.delete(oldest);
        break;
      }
    }
    return before?.suppressed ?? 0;
  }
}
