/**
 * A process that writes until it is killed: the other half of a crash test. Prints `ready`, then a line
 * `<writer> <count>` for every acknowledged write.
 *
 * Writer w's n-th write puts `w/n` (its row), and n under `w/left` and `w/right`.
 *
 * Usage: crash-writer.ts <directory> <writers> <first count>
 */
import { LevelStorage, type WriteOp } from '@diststore/storage';

const [directory = '', writers = '1', first = '0'] = process.argv.slice(2);

/** LevelDB's smallest, so that logs rotate and tables are merged while the process is killed. */
const WRITE_BUFFER_BYTES = 64 * 1024;
/** Some rows are larger than a block of the log. */
const ROW_BYTES = [10, 10, 500, 500, 4000, 40_000];

const storage = await LevelStorage.open({
  directory,
  owner: 'the crash writer',
  writeBufferBytes: WRITE_BUFFER_BYTES,
});
process.stdout.write('ready\n');

async function writeForever(writer: number): Promise<void> {
  const put = (key: string, value: Buffer): WriteOp => ({
    type: 'put',
    key: Buffer.from(`${writer}/${key}`),
    value,
  });
  for (let count = Number(first); ; count += 1) {
    const number = Buffer.from(String(count));
    const row = Buffer.alloc(ROW_BYTES[(count * 7 + writer) % ROW_BYTES.length] ?? 0, `${count} `);
    await storage.write([put(String(count), row), put('left', number), put('right', number)]);
    process.stdout.write(`${writer} ${count}\n`);
  }
}

await Promise.all(Array.from({ length: Number(writers) }, (_unused, writer) => writeForever(writer)));
