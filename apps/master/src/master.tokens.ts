/** Injection tokens of the master. In a file of their own, so that no consumer imports the module. */
export const MASTER_CONFIG = Symbol('diststore:master-config');
export const METADATA = Symbol('diststore:metadata');
export const REGISTRY = Symbol('diststore:registry');
export const SUPERVISOR = Symbol('diststore:supervisor');
export const LIFECYCLE = Symbol('diststore:lifecycle');
