/**
 * Group commit: `LevelStorage.write` with N writers, each of which writes its next 100 bytes when the last are on disk,
 * beside LevelDB itself given batches of N: as an array, and as a chain of calls. Each has a database of its own with
 * the same options, filled with the workload's keys.
 *
 * What would make it unfair: rows made for one and reused by another, so each makes its operations anew; and batches
 * that are larger than the rounds which group commit finds, which is why both are N.
 */
const STORES = new URL('../contestants/stores.mjs', import.meta.url);

export function groupCommitRow(writers) {
  return {
    name: `commit-${writers}`,
    suite: 'storage',
    title: `Group commit, ${writers} writers in flight`,
    unit: 'writes/s',
    contestants: async (stage) => {
      const { keys } = stage.settings;
      const program = stage.startOwnServer(STORES);
      await program.ask({ command: 'open', options: { folder: stage.folder, keys } });
      return [
        { name: 'LevelStorage.write', store: 'storage', program },
        { name: 'classic-level batch([…])', store: 'array', program, ratioMin: 0.7 },
        { name: 'classic-level batch().put()…', store: 'chained', program, ratioMin: 0.7 },
      ];
    },
    measure: ({ program, store }, stage) => {
      const { warmUpMs, storeRoundMs } = stage.settings;
      return program.ask({
        command: 'measure',
        options: { store, writers, warmUpMs, measureMs: storeRoundMs },
      });
    },
  };
}
