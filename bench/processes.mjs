/** What the operating system knows of a process: its memory and the processor time it has used. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Clock ticks a second in /proc: 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;
/** Counted from the process's name, which stands in brackets and may hold spaces. */
const USER_TICKS_AT = 12;

/** Resident memory. */
export function residentBytes(pid) {
  const status = `/proc/${pid}/status`;
  const kibibytes = existsSync(status)
    ? /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(status, 'utf8'))?.[1]
    : execFileSync('ps', ['-o', 'rss=', '-p', pid], { encoding: 'utf8' });
  return Number(kibibytes) * 1024;
}

/** Bytes that were written to files so far; undefined where there is no /proc. */
export function writtenBytes(pid) {
  const io = `/proc/${pid}/io`;
  return existsSync(io) ? Number(/^wchar: (\d+)/m.exec(readFileSync(io, 'utf8'))[1]) : undefined;
}

/** Processor time of all threads so far, user and system; undefined where there is no /proc. */
export function cpuSeconds(pid) {
  const stat = `/proc/${pid}/stat`;
  if (!existsSync(stat)) return undefined;
  const fields = readFileSync(stat, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[USER_TICKS_AT - 1]) + Number(fields[USER_TICKS_AT])) / TICKS_PER_SECOND;
}
