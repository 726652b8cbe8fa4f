/** Injection tokens of the master. In a file of their own, so that no consumer imports the module. */
export const MASTER_CONFIG = Symbol('diststore:master-config');
export const METADATA_STORE = Symbol('diststore:metadata-store');
export const CLUSTER_STATE = Symbol('diststore:cluster-state');
export const PARTITION_CREATOR = Symbol('diststore:partition-creator');
export const MASTER_START = Symbol('diststore:master-start');
export const RECOVERY = Symbol('diststore:recovery');
export const PROPOSALS = Symbol('diststore:proposals');
export const DEPARTURES = Symbol('diststore:departures');
export const RECONCILER = Symbol('diststore:reconciler');
export const REGISTRY = Symbol('diststore:registry');
export const SUPERVISOR = Symbol('diststore:supervisor');
export const LIFECYCLE = Symbol('diststore:lifecycle');
