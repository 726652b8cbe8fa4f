/**
 * How far the moving of replicas is, and about how long it still takes: by how many were copied since it began. Pure:
 * it is told what was copied and what is to go, and when.
 */
import { type ClusterMap, hasMember } from '@diststore/cluster';

export interface MoveEstimate {
  /** Replicas to copy, those included that wait for their turn. */
  readonly replicasToGo: number;
  readonly replicasDone: number;
  readonly elapsedMs: number;
  /** Undefined until the first replica is copied. */
  readonly estimateMs: number | undefined;
}

export class MoveProgress {
  private beganMs: number | undefined;
  private toGo = 0;
  private done = 0;
  private allDone = 0;

  /** Replicas copied, of all movings. */
  get total(): number {
    return this.allDone;
  }

  /**
   * @param copied since the last time. What is to go may fall by more, and rise: plans change.
   * @param replicasToGo as it is now.
   */
  update({ copied, replicasToGo }: { copied: number; replicasToGo: number }, nowMs: number): void {
    this.allDone += copied;
    if (replicasToGo === 0) {
      this.beganMs = undefined;
      this.done = 0;
    } else {
      this.beganMs ??= nowMs;
      this.done += copied;
    }
    this.toGo = replicasToGo;
  }

  /** Undefined: nothing is to be moved. */
  estimate(nowMs: number): MoveEstimate | undefined {
    if (this.beganMs === undefined) return undefined;
    const elapsedMs = nowMs - this.beganMs;
    const estimateMs = this.done === 0 ? undefined : Math.round((elapsedMs / this.done) * this.toGo);
    return { replicasToGo: this.toGo, replicasDone: this.done, elapsedMs, estimateMs };
  }
}

/** How many replicas have come into sync from one map to a later one; those of new partitions had nothing to copy. */
export function copiedBetween(before: ClusterMap, after: ClusterMap): number {
  let copied = 0;
  for (const { partition, configuration } of after.partitionRecords()) {
    const earlier = before.configurationOf(partition);
    if (configuration === null || earlier === undefined || configuration === earlier) continue;
    copied += configuration.insync.filter((member) => !hasMember(earlier.insync, member)).length;
  }
  return copied;
}
