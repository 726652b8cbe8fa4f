/**
 * etcd rows: one worker beside one etcd, both durable before they acknowledge, asked the same in HTTP/1.1. etcd's own
 * clients use gRPC, which costs it less than this gateway does: the ratio flatters us, and the table says `JSON gateway`.
 *
 * What would make it unfair: reads of different guarantees. etcd's ranges are linearizable unless asked otherwise, as
 * a worker's are. A batch of ours is not atomic over partitions, as a transaction is; here it is one, and so is the work.
 */
import { startEtcd } from '../contestants/etcd.mjs';
import { startFilledWorker } from '../contestants/worker.mjs';

/**
 * @param ours, theirs the kinds of request (workload.mjs) that mean the same.
 * @param ratioMin how much of etcd's rate the worker shall reach; undefined: no target.
 * @param load optional: what Stage.loadRound takes, for requests that are large.
 */
export function etcdRow({ name, title, ours, theirs, ratioMin, load }) {
  return {
    name,
    suite: 'etcd',
    title,
    unit: 'requests/s',
    tools: ['etcd'],
    contestants: async (stage) => {
      const servers = [
        { ...(await startFilledWorker(stage)), kind: ours },
        { ...(await startEtcd(stage)), kind: theirs, ratioMin },
      ];
      // Large requests are not sent ahead of their answers, as a fill does: a round that does not count warms up.
      for (const server of servers) {
        if (load === undefined) await stage.fill(server.port, server.kind, stage.settings.warmUpRequests);
        else await stage.loadRound(server, server.kind, load);
      }
      return servers;
    },
    measure: (contestant, stage) => stage.loadRound(contestant, contestant.kind, load),
  };
}
