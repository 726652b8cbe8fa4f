/** Injection tokens of the worker. In a file of their own, so that no consumer imports the module. */
export const WORKER_CONFIG = Symbol('diststore:worker-config');
export const KEYSPACE = Symbol('diststore:keyspace');
export const MASTER_LINK = Symbol('diststore:master-link');
export const REPLICA_METRICS = Symbol('diststore:replica-metrics');
export const STORE_HEADER = Symbol('diststore:store-header');
export const WORKER_IDENTITY = Symbol('diststore:worker-identity');
