/**
 * etcd rows: one worker beside one etcd, both durable before they acknowledge, asked the same in HTTP/1.1. etcd's own
 * clients use gRPC, which costs it less than this gateway does: the ratio flatters us, and the table says `JSON gateway`.
 *
 * What would make it unfair: reads of different guarantees. etcd's ranges are linearizable unless asked otherwise, as
 * a worker's are.
 */
import { startEtcd } from '../contestants/etcd.mjs';
import { startFilledWorker } from '../contestants/worker.mjs';

/** @param ours, theirs the kinds of request (workload.mjs) that mean the same. */
export function etcdRow({ name, title, ours, theirs }) {
  return {
    name,
    suite: 'etcd',
    title,
    unit: 'requests/s',
    tools: ['etcd'],
    contestants: async (stage) => {
      const servers = [
        { ...(await startFilledWorker(stage)), kind: ours },
        { ...(await startEtcd(stage)), kind: theirs },
      ];
      for (const { port, kind } of servers) await stage.fill(port, kind, stage.settings.warmUpRequests);
      return servers;
    },
    measure: (contestant, stage) => stage.loadRound(contestant, contestant.kind),
  };
}
