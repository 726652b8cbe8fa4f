/** Damages files as disks do. */
import { readFile, writeFile } from 'node:fs/promises';

/** Changes the bits of `mask` in the byte at `at`; a negative `at` counts from the end. */
export async function flipByte(file: string, at: number, mask = 0x01): Promise<void> {
  const bytes = await readFile(file);
  const offset = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(offset) ^ mask, offset);
  await writeFile(file, bytes);
}
