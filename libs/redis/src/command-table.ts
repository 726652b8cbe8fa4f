/**
 * The commands that a server knows: lookup by name, arity, keys. Immutable after construction.
 *
 * ALL_COMMANDS describes everything diststore speaks or will speak; a port builds its table from those it has handlers
 * for, so that COMMAND never promises more than is there.
 */
import { invariant } from '@diststore/base';

import { defineCommand, type Command } from './command.js';
import { bitmapCommands } from './commands/bitmap.js';
import { clusterCommands } from './commands/cluster.js';
import { connectionCommands } from './commands/connection.js';
import { genericCommands } from './commands/generic.js';
import { scriptingCommands } from './commands/scripting.js';
import { serverCommands } from './commands/server.js';
import { stringCommands } from './commands/string.js';
import { transactionCommands } from './commands/transactions.js';
import { keyPositions } from './key-spec.js';
import { NameIndex } from './name-index.js';
import { unknownCommandError, unknownSubcommandError, wrongArityError } from './redis-errors.js';
import type { ErrorReply } from './reply.js';

export const ALL_COMMANDS: readonly Command[] = [
  ...connectionCommands.map((spec) => defineCommand(spec, 'connection')),
  ...serverCommands.map((spec) => defineCommand(spec, 'server')),
  ...clusterCommands.map((spec) => defineCommand(spec, 'cluster')),
  ...genericCommands.map((spec) => defineCommand(spec, 'generic')),
  ...stringCommands.map((spec) => defineCommand(spec, 'string')),
  ...bitmapCommands.map((spec) => defineCommand(spec, 'bitmap')),
  ...transactionCommands.map((spec) => defineCommand(spec, 'transactions')),
  ...scriptingCommands.map((spec) => defineCommand(spec, 'scripting')),
];

export class CommandTable {
  private readonly byName: NameIndex<Command>;

  constructor(
    /** Top-level commands, in the order in which COMMAND lists them. */
    readonly commands: readonly Command[] = ALL_COMMANDS,
  ) {
    this.byName = new NameIndex(commands.map((command) => [command.fullName, command]));
  }

  /**
   * The commands named by `fullNames`, from ALL_COMMANDS. A container keeps only the subcommands that are named, and
   * HELP. @throws InvariantError for a name that ALL_COMMANDS lacks.
   */
  static of(fullNames: Iterable<string>): CommandTable {
    const wanted = new Set(fullNames);
    const chosen: Command[] = [];
    for (const command of ALL_COMMANDS) {
      const subcommands = command.subcommands.filter(
        (sub) => wanted.delete(sub.fullName) || sub.name === 'help',
      );
      const named = wanted.delete(command.fullName);
      if (command.subcommands.length === 0 ? named : named || subcommands.length > 1) {
        chosen.push({
          ...command,
          subcommands,
          subcommandsByName: new NameIndex(subcommands.map((sub) => [sub.name, sub])),
        });
      }
    }
    invariant(wanted.size === 0, 'every command is described', { unknown: [...wanted] });
    return new CommandTable(chosen);
  }

  /** The top-level command of that name, in any case. */
  find(name: Uint8Array): Command | undefined {
    return this.byName.get(name);
  }

  /** The command or subcommand of a full name such as `client|setname`, in any case. */
  findFull(fullName: Buffer): Command | undefined {
    const bar = fullName.indexOf('|');
    if (bar < 0) return this.find(fullName);
    return this.find(fullName.subarray(0, bar))?.subcommandsByName.get(fullName.subarray(bar + 1));
  }

  /**
   * What a request calls, a subcommand where there is one, or the error that answers it: unknown command, unknown
   * subcommand, wrong number of arguments. REQUIRES: at least one argument, as requests have.
   */
  resolve(args: readonly Buffer[]): Command | ErrorReply {
    const found = this.lookUp(args);
    if (found === undefined) {
      const container = this.find(args[0] as Buffer);
      return container === undefined
        ? unknownCommandError(args)
        : unknownSubcommandError(container.name, args);
    }
    return hasArity(found, args.length) ? found : wrongArityError(found.fullName);
  }

  /** Like `resolve`, without the arity; undefined when unknown. A container without a known word is itself. */
  lookUp(args: readonly Buffer[]): Command | undefined {
    const command = this.byName.get(args[0] as Buffer);
    if (command === undefined || command.subcommands.length === 0 || args.length === 1) return command;
    return command.subcommandsByName.get(args[1] as Buffer);
  }
}

/** Whether `command` takes `argCount` arguments, its name included. */
export function hasArity({ arity }: Command, argCount: number): boolean {
  return arity > 0 ? argCount === arity : argCount >= -arity;
}

/** The keys among `args`, in order; undefined when the arguments contradict the command's description of its keys. */
export function keysOf(command: Command, args: readonly Buffer[]): Buffer[] | undefined {
  if (command.singleKeyIndex > 0) {
    const key = args[command.singleKeyIndex];
    return key === undefined ? undefined : [key];
  }
  return keyPositions(command.keys, args)?.map(({ index }) => args[index] as Buffer);
}
