/** Damage to a record that nothing below the record's own checksum can see. */
import path from 'node:path';

import { dataRange, LevelStorage } from '@diststore/storage';

/**
 * Changes a bit of the value of one of the records that `fill` made.
 * REQUIRES: the worker of this `database` is down.
 * @returns its key.
 */
export async function changeARecord(database: string, partitions: number): Promise<string> {
  const storage = await LevelStorage.open({ directory: path.dirname(database), owner: 'a test' });
  try {
    for (let partition = 0; partition < partitions; partition += 1) {
      const { entries } = await storage.page(dataRange(partition));
      for (const { key: row, value: stored } of entries) {
        const [key] = /filled-\d+$/.exec(row.toString('latin1')) ?? [];
        if (key === undefined) continue;
        const value = Buffer.from(stored);
        value.writeUInt8(value.readUInt8(value.length - 1) ^ 1, value.length - 1);
        await storage.write([{ type: 'put', key: row, value }]);
        return key;
      }
    }
  } finally {
    await storage.close();
  }
  throw new Error('There is no record to change.');
}
