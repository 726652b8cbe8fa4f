/** Every row of the table, in its order: suite by suite. */
import { etcdRow } from './etcd.mjs';
import { firstWrite } from './first-write.mjs';
import { forwardedGet } from './forwarded-get.mjs';
import { groupCommitRow } from './group-commit.mjs';
import { httpRow } from './http.mjs';
import { idleMemory } from './idle-memory.mjs';
import { redisRow } from './redis.mjs';

export const ROWS = [
  httpRow({ name: 'get', title: 'HTTP GET', kind: 'get', ratioMin: 0.7 }),
  httpRow({ name: 'put', title: 'HTTP PUT, fsynced, value in the body', kind: 'put', ratioMin: 0.5 }),
  httpRow({ name: 'put-url', title: 'HTTP PUT, fsynced, value in the URL', kind: 'put-url' }),
  groupCommitRow(64),
  groupCommitRow(256),
  groupCommitRow(1024),
  redisRow('get', 1),
  redisRow('get', 16),
  redisRow('set', 1),
  redisRow('set', 16),
  etcdRow({ name: 'etcd-get', title: 'Get of a key', ours: 'get', theirs: 'etcd-get' }),
  etcdRow({ name: 'etcd-put', title: 'Put of a key, fsynced', ours: 'put', theirs: 'etcd-put' }),
  etcdRow({ name: 'etcd-txn', title: 'Compare and put, fsynced', ours: 'txn', theirs: 'etcd-txn' }),
  etcdRow({ name: 'etcd-list', title: 'A page of 100 keys', ours: 'list', theirs: 'etcd-list' }),
  forwardedGet,
  firstWrite,
  idleMemory,
];
