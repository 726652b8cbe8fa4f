/** Which of Redis's own programs there are to try: without one, what needs it is skipped. */
import { execFileSync } from 'node:child_process';

export function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['--version']);
    return true;
  } catch {
    return false;
  }
}
