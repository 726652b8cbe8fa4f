/**
 * A command in the form in which it is used: its description (command-spec.ts) with all that follows from it worked
 * out once, at start, so that nothing is computed per request.
 */
import { invariant } from '@diststore/base';

import {
  ACL_CATEGORIES,
  COMMAND_FLAGS,
  type AclCategory,
  type CommandFlag,
  type CommandGroup,
  type CommandSpec,
} from './command-spec.js';
import { hasMovableKeys, keyRangeOf, type KeyRange, type KeySpec } from './key-spec.js';
import { NameIndex } from './name-index.js';

/** A command ready for use. Immutable, and shared by all connections. */
export interface Command extends CommandSpec {
  readonly kind: 'command';
  /** As Redis names it in COMMAND and in errors: `get`, `client|setname`. */
  readonly fullName: string;
  readonly group: CommandGroup;
  readonly flags: readonly CommandFlag[];
  readonly categories: readonly AclCategory[];
  readonly keys: readonly KeySpec[];
  readonly keyRange: KeyRange;
  /** The argument that is the command's only key; 0 when it has none or several. Spares routing the key specs. */
  readonly singleKeyIndex: number;
  /** Empty, except for containers such as CLIENT. */
  readonly subcommands: readonly Command[];
  readonly subcommandsByName: NameIndex<Command>;
}

const NO_SUBCOMMANDS = new NameIndex<Command>([]);

/** Completes a description. @throws InvariantError when it contradicts itself. */
export function defineCommand(spec: CommandSpec, group: CommandGroup, container?: string): Command {
  const fullName = container === undefined ? spec.name : `${container}|${spec.name}`;
  const keys = spec.keys ?? [];
  const keyRange = keyRangeOf(keys);
  const movable = hasMovableKeys(keys);
  const flags = inOrder(COMMAND_FLAGS, [
    ...(spec.flags ?? []),
    ...(movable ? (['movablekeys'] as const) : []),
  ]);
  const subcommands = (spec.subcommands ?? []).map((sub) => defineCommand(sub, group, spec.name));

  invariant(spec.arity !== 0, 'a command has a name', { fullName });
  invariant(container === undefined || Math.abs(spec.arity) >= 2, 'a subcommand has two names', { fullName });
  invariant(container === undefined || subcommands.length === 0, 'containers are not nested', { fullName });
  invariant(
    keys.every(({ find }) => find.keyStep >= 1),
    'key steps go forward',
    { fullName },
  );
  invariant(Math.abs(spec.arity) > keyRange.first, 'the arity reaches the first key', { fullName });

  return {
    ...spec,
    kind: 'command',
    fullName,
    group,
    flags,
    categories: inOrder(ACL_CATEGORIES, [...(spec.categories ?? []), ...impliedCategories(flags)]),
    keys,
    keyRange,
    singleKeyIndex: keys.length === 1 && !movable && keyRange.first === keyRange.last ? keyRange.first : 0,
    subcommands,
    subcommandsByName:
      subcommands.length === 0 ? NO_SUBCOMMANDS : new NameIndex(subcommands.map((sub) => [sub.name, sub])),
  };
}

/** The categories that Redis derives from flags. */
function impliedCategories(flags: readonly CommandFlag[]): AclCategory[] {
  const has = (flag: CommandFlag) => flags.includes(flag);
  const implied: AclCategory[] = [has('fast') ? 'fast' : 'slow'];
  if (has('write')) implied.push('write');
  if (has('readonly')) implied.push('read');
  if (has('admin')) implied.push('admin', 'dangerous');
  if (has('pubsub')) implied.push('pubsub');
  if (has('blocking')) implied.push('blocking');
  return implied;
}

function inOrder<T>(order: readonly T[], members: readonly T[]): T[] {
  return order.filter((member) => members.includes(member));
}
