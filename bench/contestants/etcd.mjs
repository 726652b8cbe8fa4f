/** One etcd with its default durability, which is an fsync for each write, or one for all that wait together. */
import { freePorts } from '../stage.mjs';

export async function startEtcd(stage) {
  const port = await freePorts(2);
  const client = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${port + 1}`;
  const program = stage.start(
    [
      ...['etcd', '--data-dir', stage.dataFolder('etcd'), '--log-level', 'error'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `default=${peer}`],
    ],
    { core: stage.cores?.server },
  );
  await program.untilAnswered(`${client}/health`, ({ ok }) => ok);
  await program.whileAlive(stage.fill(port, 'etcd-put'));
  return { name: 'etcd, JSON gateway', port, pid: program.pid };
}
