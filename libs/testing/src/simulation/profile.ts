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
  /** How far wall clocks are from true time. */
  readonly wallOffsetMs: number;
  /** Some records expire, and are swept. */
  readonly expiring?: boolean;
  /** Some workers are given other times than the rest. */
  readonly mixedTimings?: boolean;
  /** How long a replica that is neither in sync nor wanted is kept. */
  readonly dropMs: number;
  /** Erasing a replica takes as long as a large one does, so that a crash may come in between. */
  readonly longErasing: boolean;
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
  /** Turns of an event loop, at whose end what was sequenced in them goes to the disk, last up to so long. */
  readonly turnMsMax?: number;
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
  | 'damage'
  | 'move'
  | 'handover'
  | 'suspend'
  | 'stopAll'
  | 'rollBack'
  | 'force'
  | 'grow';

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
  wallOffsetMs: 2000,
  dropMs: 3000,
  longErasing: true,
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
  suspends: {
    ...BASE,
    name: 'suspends',
    replicationFactors: [2, 3],
    faultEveryMs: 300,
    faults: { suspend: 6, pause: 1, cutBoth: 2, handover: 1 },
  },
  forced: {
    ...BASE,
    name: 'forced',
    replicationFactors: [2, 3, 3],
    faultEveryMs: 300,
    faults: { force: 3, crash: 5, cutBoth: 2, slowDisk: 1, move: 1 },
  },
  expiry: {
    ...BASE,
    name: 'expiry',
    wallOffsetMs: 50,
    expiring: true,
    faults: { crash: 2, pause: 2, cutBoth: 2, handover: 3, move: 1, slowDisk: 1 },
  },
  timings: {
    ...BASE,
    name: 'timings',
    replicationFactors: [2, 3],
    mixedTimings: true,
    faults: { crash: 1, pause: 2, cutBoth: 4, cutOneWay: 3, handover: 2 },
  },
  retired: {
    ...BASE,
    name: 'retired',
    workers: [4, 5],
    faultMs: 9000,
    dropMs: 1800,
    faults: { move: 6, crash: 2, cutMaster: 1, handover: 1, cutBoth: 1 },
  },
  corruption: {
    ...BASE,
    name: 'corruption',
    replicationFactors: [2, 3, 3],
    faultEveryMs: 300,
    faults: { corrupt: 6, crash: 4, pause: 1, slowDisk: 1, cutBoth: 1 },
  },
  damage: {
    ...BASE,
    name: 'damage',
    workers: [3, 4],
    replicationFactors: [2, 3, 3],
    faultEveryMs: 250,
    faults: { damage: 6, crash: 3, cutMaster: 2, cutBoth: 2, masterCrash: 1, handover: 1 },
  },
  damageAlone: {
    ...BASE,
    name: 'damageAlone',
    replicationFactors: [2, 3],
    faultEveryMs: 200,
    masterStaysAway: true,
    faults: { damage: 6, cutBoth: 4, cutOneWay: 3, pause: 2 },
  },
  restores: {
    ...BASE,
    name: 'restores',
    replicationFactors: [2, 3, 3],
    faultEveryMs: 250,
    lateMaster: 0.5,
    faults: { masterRestore: 3, masterCrash: 3, cutMaster: 6, isolate: 2, crash: 2, cutBoth: 3, handover: 2 },
  },
  clusterStop: {
    ...BASE,
    name: 'clusterStop',
    replicationFactors: [1, 2, 3],
    faultEveryMs: 1800,
    loss: 0,
    duplicate: 0,
    late: 0,
    faults: { stopAll: 1 },
  },
  rollBacks: {
    ...BASE,
    name: 'rollBacks',
    replicationFactors: [2, 3],
    faults: { rollBack: 4, crash: 3, cutMaster: 1, cutBoth: 1, masterCrash: 0.5 },
  },
  growth: {
    ...BASE,
    name: 'growth',
    replicationFactors: [1],
    clients: 4,
    faultEveryMs: 300,
    turnMsMax: 20,
    faults: { grow: 4, crash: 3, slowDisk: 2, cutBoth: 1, masterCrash: 0.5, pause: 1, suspend: 2 },
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
  return PROFILES[ROTATION[seed % ROTATION.length] as string] as Profile;
}

const ROTATION = [
  'mixed',
  'network',
  'suspends',
  'crashes',
  'mixed',
  'forced',
  'moves',
  'master',
  'growth',
  'clocks',
  'bytes',
  'mixed',
  'expiry',
  'retired',
  'timings',
  'rollBacks',
  'corruption',
  'damage',
  'damageAlone',
  'lateMaster',
  'restores',
  'clusterStop',
  'calm',
];
