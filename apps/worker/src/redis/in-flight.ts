/**
 * What a connection has under way, and which command must not start before it has ended.
 *
 * A client may rely on it that its commands take effect in the order in which it sent them, and that it reads what it
 * has written. Commands on different keys do not depend on each other; so they may overlap, and the writes of a
 * pipeline share their fsyncs. Of the same key:
 *
 *   read  behind read           may overlap
 *   write behind write          may overlap if this worker does both: they are put in order as they are started
 *   anything else               waits, and with it everything behind it
 */
interface KeyUse {
  reads: number;
  writesHere: number;
  writesElsewhere: number;
}

export interface Use {
  /** Of every key, as latin1. */
  readonly names: readonly string[];
  readonly isWrite: boolean;
  readonly isHere: boolean;
  readonly bytes: number;
}

export class InFlight {
  private readonly uses = new Map<string, KeyUse>();
  /** Commands, and bytes of their arguments. */
  count = 0;
  bytes = 0;
  reads = 0;

  /** Whether a command on these keys may start now. */
  admits(names: readonly string[], isWrite: boolean, isHere: boolean): boolean {
    return names.every((name) => {
      const use = this.uses.get(name);
      if (use === undefined) return true;
      if (!isWrite) return use.writesHere + use.writesElsewhere === 0;
      return (
        use.reads === 0 &&
        (use.writesHere + use.writesElsewhere === 0 || (isHere && use.writesElsewhere === 0))
      );
    });
  }

  add({ names, isWrite, isHere, bytes }: Use): void {
    this.count += 1;
    this.bytes += bytes;
    if (!isWrite) this.reads += 1;
    for (const name of names) {
      let use = this.uses.get(name);
      if (use === undefined) this.uses.set(name, (use = { reads: 0, writesHere: 0, writesElsewhere: 0 }));
      if (!isWrite) use.reads += 1;
      else if (isHere) use.writesHere += 1;
      else use.writesElsewhere += 1;
    }
  }

  /** REQUIRES: it was added. */
  remove({ names, isWrite, isHere, bytes }: Use): void {
    this.count -= 1;
    this.bytes -= bytes;
    if (!isWrite) this.reads -= 1;
    for (const name of names) {
      const use = this.uses.get(name);
      if (use === undefined) continue;
      if (!isWrite) use.reads -= 1;
      else if (isHere) use.writesHere -= 1;
      else use.writesElsewhere -= 1;
      if (use.reads + use.writesHere + use.writesElsewhere === 0) this.uses.delete(name);
    }
  }
}
