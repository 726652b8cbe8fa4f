/** Injects the process's one Storage. In a file of its own so that no consumer imports the module. */
export const STORAGE = Symbol('diststore:storage');
