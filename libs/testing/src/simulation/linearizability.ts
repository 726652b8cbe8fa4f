/**
 * Is a history of one key linearizable? The search of Wing and Gong ("Testing and verifying concurrent objects", 1993)
 * with the memory of Lowe ("Testing for linearizability", 2017): a set of operations done and the state they lead to is
 * explored once. Linearizability is a local property, so keys are checked one by one (Horn and Kroening 2015).
 *
 * Every write stores a value of its own, so the state of a key is simply which write it holds; 0 is absent.
 * An operation whose outcome is not known may have happened at any time after its call, or never.
 */
export interface Operation {
  readonly call: number;
  /** Infinity: not known to have ended. */
  readonly end: number;
  readonly type: 'write' | 'delete' | 'read' | 'swap' | 'reject';
  /** write, swap: the value stored; read: the value seen; reject: the value that the condition met. */
  readonly value: number;
  /** swap: the value that must be there; reject: the value that was expected and was not there. */
  readonly expected: number;
  /** Known to have happened. */
  readonly certain: boolean;
  /** write: when, in true time, the value may be gone, and when it must be; absent: never. */
  readonly expires?: { readonly earliestMs: number; readonly latestMs: number } | undefined;
}

type Expiry = NonNullable<Operation['expires']>;

/** @returns undefined, or what cannot be explained. */
export function problemOfHistory(history: readonly Operation[], stepsMax = 200_000): string | undefined {
  // An uncertain read tells nothing.
  const ops = history.filter(({ type, certain }) => certain || (type !== 'read' && type !== 'reject'));
  ops.sort((a, b) => a.call - b.call);
  const expiries = new Map<number, Expiry>();
  for (const { value, expires } of ops) if (expires !== undefined) expiries.set(value, expires);
  const late = ops.find(
    ({ type, value, call }) => type === 'read' && call > (expiries.get(value)?.latestMs ?? Infinity),
  );
  if (late !== undefined) return `${text(late)} shows a value that has expired`;
  const total = ops.length;
  const done = new Uint8Array(total);
  const seen = new Set<string>();
  let left = ops.filter(({ certain }) => certain).length;
  let steps = 0;
  let deepest = total;
  let stuckAt = '';

  interface Frame {
    readonly op: number;
    readonly stateBefore: number;
    next: number;
  }
  const stack: Frame[] = [];
  let state = 0;
  let from = 0;
  let next = 0;
  for (;;) {
    if (left === 0) return undefined;
    while (from < total && done[from] === 1) from += 1;
    // Whoever ends first must come before all that are called after that.
    let bound = Infinity;
    for (let i = from; i < total; i += 1) {
      const op = ops[i] as Operation;
      if (op.call > bound) break;
      if (done[i] === 0 && op.certain && op.end < bound) bound = op.end;
    }
    let chosen = -1;
    let stateAfter = 0;
    for (let i = Math.max(next, from); i < total; i += 1) {
      const op = ops[i] as Operation;
      if (op.call > bound) break;
      if (done[i] === 1) continue;
      const after = apply(op, state, expiries);
      if (after === undefined) continue;
      done[i] = 1;
      const key = memoryKey(done, from, after);
      if (seen.has(key)) {
        done[i] = 0;
        continue;
      }
      seen.add(key);
      chosen = i;
      stateAfter = after;
      break;
    }
    steps += 1;
    if (steps > stepsMax) return undefined; // Not decided within the bound; the checks of the replicas still hold.
    if (chosen >= 0) {
      stack.push({ op: chosen, stateBefore: state, next: chosen + 1 });
      if ((ops[chosen] as Operation).certain) left -= 1;
      state = stateAfter;
      next = 0;
      continue;
    }
    if (left < deepest) {
      deepest = left;
      const open = ops.filter((op, i) => done[i] === 0 && op.call <= bound).map(text);
      stuckAt = `with ${state === 0 ? 'nothing' : `value ${state}`} stored, none of these fits: ${open.join('; ')}`;
    }
    const top = stack.pop();
    if (top === undefined) return stuckAt;
    done[top.op] = 0;
    if ((ops[top.op] as Operation).certain) left += 1;
    from = 0;
    state = top.stateBefore;
    next = top.next;
  }
}

/** The state after the operation, or undefined if it cannot happen in this one. */
function apply(op: Operation, state: number, expiries: ReadonlyMap<number, Expiry>): number | undefined {
  // While it expires, a value is there by one worker's clock and gone by another's: nothing promises which.
  const mayBeGone = state !== 0 && op.end >= (expiries.get(state)?.earliestMs ?? Infinity);
  const shows = (value: number): boolean => value === state || (value === 0 && mayBeGone);
  switch (op.type) {
    case 'write':
      return op.value;
    case 'delete':
      return 0;
    case 'read':
      return shows(op.value) ? state : undefined;
    case 'swap':
      if (shows(op.expected)) return op.value;
      // One that may not have happened may also have failed.
      return op.certain ? undefined : state;
    case 'reject':
      return op.expected !== op.value && shows(op.value) ? state : undefined;
  }
}

function memoryKey(done: Uint8Array, from: number, state: number): string {
  let first = from;
  while (first < done.length && done[first] === 1) first += 1;
  let last = done.length - 1;
  while (last > first && done[last] === 0) last -= 1;
  let key = `${state}:${first}:`;
  let bits = 0;
  let count = 0;
  for (let i = first; i <= last; i += 1) {
    bits = (bits << 1) | (done[i] ?? 0);
    count += 1;
    if (count === 15) {
      key += String.fromCharCode(bits);
      bits = 0;
      count = 0;
    }
  }
  return `${key}${String.fromCharCode(bits)}${last}`;
}

function text({ type, value, expected, call, end, certain }: Operation): string {
  const what = type === 'swap' || type === 'reject' ? `${type} ${expected}->${value}` : `${type} ${value}`;
  return `${what} [${call.toFixed(1)}, ${end === Infinity ? '?' : end.toFixed(1)}]${certain ? '' : ' uncertain'}`;
}
