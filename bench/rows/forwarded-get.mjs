/**
 * A GET through a worker that does not hold the key, beside the same GET through the one that does.
 *
 * What would make it unfair: a core for each worker. Both share one, as all servers of the bench do, so what the second
 * worker's work costs is seen, not hidden by more hardware.
 */
import { startFilledPair } from '../contestants/cluster.mjs';

export const forwardedGet = {
  name: 'get-forwarded',
  suite: 'cluster',
  title: 'HTTP GET, forwarded to the worker that holds the key',
  unit: 'requests/s',
  contestants: async (stage) => {
    const [holder, other] = await startFilledPair(stage);
    const contestants = [
      { name: 'through another worker', ...other },
      { name: 'through the holder', ratioMin: 0.6, ...holder },
    ];
    for (const { port } of contestants) await stage.fill(port, 'get', stage.settings.warmUpRequests);
    return contestants;
  },
  measure: (contestant, stage) => stage.loadRound(contestant, 'get'),
};
