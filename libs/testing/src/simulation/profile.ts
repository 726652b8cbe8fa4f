/** What a simulated cluster is like, and what happens to it. A profile gives ranges; the seed chooses within them. */
export interface Profile {
  readonly name: string;
  readonly workers: readonly [least: number, most: number];
  readonly partitions: readonly [least: number, most: number];
  readonly replicationFactors: readonly number[];
  readonly clients: number;
  readonly keysPerPartition: number;
  /** While faults happen. */
  readonly faultMs: number;
  /** After all is well again, full service must be back within this. */
  readonly recoveryMs: number;
  /** Probability per message. */
  readonly loss: number;
  readonly duplicate: number;
  readonly late: number;
  /** The same, for what goes to and from the master. */
  readonly lateMaster?: number;
  readonly lateMsMax: number;
  /** Of the clocks' rates, as a fraction of true time. */
  readonly drift: number;
  /** False: the clocks break their bound, so only what rests on no clock is checked. */
  readonly clocksHold: boolean;
  /** Mean time between faults. */
  readonly faultEveryMs: number;
  /** How likely each kind of fault is chosen, relative to the others. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** Entries kept in memory and on disk are few, so that catching up needs reads and snapshots. */
  readonly smallLogs: boolean;
  /** Every message and beacon goes through its bytes. */
  readonly encoded: boolean;
  readonly onlyConfirmedReads: boolean;
  /** The master goes down during the faults and stays down; whoever can, must serve without it. */
  readonly masterStaysAway?: boolean;
}

export type FaultKind =
  | 'crash'
  | 'crashAll'
  | 'planned'
  | 'pause'
  | 'cutOneWay'
  | 'cutBoth'
  | 'isolate'
  | 'cutMaster'
  | 'masterCrash'
  | 'masterRestore'
  | 'slowDisk'
  | 'fullDisk'
  | 'wipe'
  | 'corrupt'
  | 'move'
  | 'handover';

const BASE: Profile = {
  name: 'mixed',
  workers: [3, 4],
  partitions: [1, 2],
  replicationFactors: [1, 2, 3, 3],
  clients: 3,
  keysPerPartition: 2,
  faultMs: 6000,
  recoveryMs: 12_000,
  loss: 0.01,
  duplicate: 0.01,
  late: 0.01,
  lateMsMax: 1500,
  drift: 0.008,
  clocksHold: true,
  faultEveryMs: 500,
  faults: {
    crash: 5,
    crashAll: 0.5,
    planned: 1,
    pause: 3,
    cutOneWay: 3,
    cutBoth: 3,
    isolate: 2,
    cutMaster: 2,
    masterCrash: 1,
    slowDisk: 2,
    fullDisk: 0.5,
    wipe: 1,
    corrupt: 0.5,
    move: 2,
    handover: 2,
  },
  smallLogs: false,
  encoded: false,
  onlyConfirmedReads: false,
};

export const PROFILES: Readonly<Record<string, Profile>> = {
  mixed: BASE,
  calm: {
    ...BASE,
    name: 'calm',
    faults: { handover: 2, move: 3, planned: 1 },
    loss: 0,
    duplicate: 0,
    late: 0,
  },
  network: {
    ...BASE,
    name: 'network',
    loss: 0.05,
    duplicate: 0.05,
    late: 0.05,
    faults: { cutOneWay: 3, cutBoth: 3, isolate: 2, cutMaster: 2, pause: 2, handover: 1 },
  },
  crashes: {
    ...BASE,
    name: 'crashes',
    faultEveryMs: 350,
    faults: { crash: 6, crashAll: 1, wipe: 1, corrupt: 1, slowDisk: 2, planned: 1, masterCrash: 1 },
  },
  moves: {
    ...BASE,
    name: 'moves',
    workers: [4, 5],
    smallLogs: true,
    faults: { move: 6, handover: 3, crash: 2, pause: 1, cutBoth: 1, wipe: 1, masterCrash: 0.5 },
  },
  master: {
    ...BASE,
    name: 'master',
    faults: { masterCrash: 4, masterRestore: 2, cutMaster: 3, crash: 2, pause: 2, cutBoth: 1, handover: 1 },
  },
  bytes: { ...BASE, name: 'bytes', encoded: true, smallLogs: true, faultMs: 4000 },
  slowFailover: {
    ...BASE,
    name: 'slowFailover',
    replicationFactors: [3],
    late: 0.05,
    faultEveryMs: 250,
    faults: { slowDisk: 6, crash: 3, pause: 3, cutOneWay: 2, cutBoth: 2, handover: 3 },
  },
  masterAway: {
    ...BASE,
    name: 'masterAway',
    replicationFactors: [2, 3],
    faultEveryMs: 300,
    masterStaysAway: true,
    faults: { cutBoth: 4, cutOneWay: 4, pause: 3 },
  },
  lateMaster: {
    ...BASE,
    name: 'lateMaster',
    replicationFactors: [2, 3],
    partitions: [2, 3],
    faultEveryMs: 250,
    lateMaster: 0.4,
    faults: { cutMaster: 6, cutBoth: 4, cutOneWay: 4, handover: 5, isolate: 1 },
  },
  clocks: {
    ...BASE,
    name: 'clocks',
    drift: 0.4,
    clocksHold: false,
    onlyConfirmedReads: true,
  },
};

/** The profile that a seed gets when none is named: mostly everything at once, sometimes one thing in depth. */
export function profileOf(seed: number): Profile {
  const names = [
    'mixed',
    'network',
    'mixed',
    'crashes',
    'mixed',
    'moves',
    'master',
    'mixed',
    'clocks',
    'bytes',
    'calm',
  ];
  return PROFILES[names[seed % names.length] as string] as Profile;
}
