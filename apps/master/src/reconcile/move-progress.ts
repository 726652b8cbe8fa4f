/**
 * How far the moving of replicas is, and about how long it still takes: by how many were copied since it began. Pure:
 * it is told what is to go, and when.
 */
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

  /** @param replicasToGo as it is now. A rise is more work that has come, a fall is work that was done. */
  update(replicasToGo: number, nowMs: number): void {
    const copied = Math.max(0, this.toGo - replicasToGo);
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
