/** Who this worker is, as it tells others; constant for the life of the process. */
export interface WorkerIdentity {
  readonly index: number;
  readonly url: string;
  readonly storeId: string;
  readonly boot: number;
  readonly pid: number;
  readonly version: string;
  /** ISO 8601. */
  readonly since: string;
}
