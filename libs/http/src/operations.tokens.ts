/** Injection token: BuildInfo. */
export const BUILD_INFO = Symbol('BUILD_INFO');

/** What /version and `diststore_build_info` show. */
export interface BuildInfo {
  /** Which program: `diststore-worker`, `diststore-master`. */
  readonly name: string;
  readonly version: string;
}
