/**
 * HTTP rows: one worker beside a bare `node:http` server and a plain Nest application, which give the worker's own
 * answer without storing anything. All three stay up during the row, and idle ones cost nothing.
 *
 * What would make it unfair:
 * - A load generator that is slower than a server: see generator.mjs.
 * - A smaller answer from the others. Theirs is taken from the worker, headers included; Express adds a charset.
 * - Code that is not compiled yet. Each server has answered thousands of requests before the first round.
 * - Work that the worker leaves for later, such as LevelDB's compactions: it runs on the servers' core during somebody
 *   else's turn. So the order of the turns changes, and a pause lies between them.
 */
import { answerOf } from '../contestants/answer.mjs';
import { startFilledWorker } from '../contestants/worker.mjs';
import { requestsOf } from '../workload.mjs';

const BARE_HTTP = new URL('../contestants/bare-http.mjs', import.meta.url);
const PLAIN_NEST = new URL('../contestants/plain-nest.mjs', import.meta.url);

/** @param ratioMin how much of the bare server's rate the worker shall reach; undefined: no target. */
export function httpRow({ name, title, kind, ratioMin }) {
  return {
    name,
    suite: 'http',
    title,
    unit: 'requests/s',
    contestants: async (stage) => {
      const worker = await startFilledWorker(stage);
      const answer = await answerOf(worker.port, requestsOf(kind, 1)[0]);
      const servers = [
        worker,
        { name: 'bare node:http', ratioMin, ...(await startAnswering(stage, BARE_HTTP, answer)) },
        { name: 'plain Nest on Express', ...(await startAnswering(stage, PLAIN_NEST, answer)) },
      ];
      for (const { port } of servers) await stage.fill(port, kind, stage.settings.warmUpRequests);
      return servers;
    },
    measure: (contestant, stage) => stage.loadRound(contestant, kind),
  };
}

async function startAnswering(stage, program, answer) {
  const server = stage.startOwnServer(program);
  return { pid: server.pid, port: await server.ask(answer) };
}
