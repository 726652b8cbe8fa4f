/** Every row of the table, in its order: suite by suite. */
import { etcdRow } from './etcd.mjs';
import { firstWrite } from './first-write.mjs';
import { forwardedGet } from './forwarded-get.mjs';
import { groupCommitRow } from './group-commit.mjs';
import { httpRow } from './http.mjs';
import { idleMemory } from './idle-memory.mjs';
import { replicatedGet, replicatedPut, replicatedPutHundred, writtenPerByte } from './replicated.mjs';
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
  etcdRow({ name: 'etcd-get', title: 'Get of a key', ours: 'get', theirs: 'etcd-get', ratioMin: 4 }),
  etcdRow({ name: 'etcd-put', title: 'Put of a key, fsynced', ours: 'put', theirs: 'etcd-put', ratioMin: 4 }),
  etcdRow({ name: 'etcd-txn', title: 'Compare and put, fsynced', ours: 'txn', theirs: 'etcd-txn' }),
  etcdRow({ name: 'etcd-list', title: 'A page of 100 keys', ours: 'list', theirs: 'etcd-list' }),
  etcdRow({
    name: 'etcd-batch',
    title: 'Batch of 100 puts, fsynced, 16 connections',
    ours: 'batch',
    theirs: 'etcd-batch',
    load: { keys: 1000, connections: 16, rounds: 2 },
  }),
  etcdRow({
    name: 'etcd-long-list',
    title: 'A list of 10,000 keys, 4 connections',
    ours: 'long-list',
    theirs: 'etcd-long-list',
    load: { keys: 40, connections: 4, rounds: 3 },
  }),
  forwardedGet,
  replicatedGet,
  replicatedPut,
  replicatedPutHundred,
  writtenPerByte,
  firstWrite,
  idleMemory,
];
