/** Every command that the Redis ports know. */
import type { Implementations } from '../implementation.js';
import { bitCommands } from './bits.js';
import { clientCommands } from './client.js';
import { clusterCommands } from './cluster.js';
import { connectionCommands } from './connection.js';
import { keyCommands } from './keys.js';
import { keyspaceCommands } from './keyspace.js';
import { serverCommands } from './server.js';
import { stringCommands } from './strings.js';
import { transactionCommands } from './transactions.js';

export const ALL_IMPLEMENTATIONS: Implementations = {
  ...connectionCommands,
  ...clientCommands,
  ...serverCommands,
  ...clusterCommands,
  ...keyCommands,
  ...keyspaceCommands,
  ...stringCommands,
  ...bitCommands,
  ...transactionCommands,
};
