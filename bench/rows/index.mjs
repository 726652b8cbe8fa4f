/** Every row of the table, in its order. */
import { firstWrite } from './first-write.mjs';
import { forwardedGet } from './forwarded-get.mjs';
import { groupCommitRow } from './group-commit.mjs';
import { httpRow } from './http.mjs';
import { idleMemory } from './idle-memory.mjs';

export const ROWS = [
  httpRow({ name: 'get', title: 'HTTP GET', kind: 'get', ratioMin: 0.7 }),
  httpRow({ name: 'put', title: 'HTTP PUT, fsynced, value in the body', kind: 'put', ratioMin: 0.5 }),
  httpRow({ name: 'put-url', title: 'HTTP PUT, fsynced, value in the URL', kind: 'put-url' }),
  forwardedGet,
  groupCommitRow(64),
  groupCommitRow(256),
  groupCommitRow(1024),
  firstWrite,
  idleMemory,
];
