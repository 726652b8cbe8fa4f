/** The commands of a listener: those of the table that are implemented, each with what it has counted. */
import { invariant } from '@diststore/base';
import { type Command, CommandTable, type ErrorReply, helpReply } from '@diststore/redis';

import type { BoundCommand, Implementation, Implementations } from './implementation.js';

export class CommandSet {
  readonly table: CommandTable;
  private readonly bound = new Map<Command, BoundCommand>();

  /** @throws InvariantError when one is implemented that the table does not describe. */
  constructor(implementations: Implementations) {
    this.table = CommandTable.of(Object.keys(implementations));
    for (const command of this.table.commands) {
      const own = implementations[command.fullName];
      if (own !== undefined) this.bind(command, own);
      for (const sub of command.subcommands) {
        const implementation = sub.name === 'help' ? helpOf(command) : implementations[sub.fullName];
        invariant(implementation !== undefined, 'a subcommand is implemented', { name: sub.fullName });
        this.bind(sub, implementation);
      }
    }
  }

  /** What a request calls, or the error that answers it. */
  resolve(args: readonly Buffer[]): BoundCommand | ErrorReply {
    const command = this.table.resolve(args);
    if (command.kind === 'error') return command;
    return this.bound.get(command) as BoundCommand;
  }

  all(): BoundCommand[] {
    return [...this.bound.values()];
  }

  private bind(command: Command, implementation: Implementation): void {
    const isWrite = command.flags.includes('write');
    const counts = { calls: 0, failedCalls: 0, rejectedCalls: 0, totalMs: 0 };
    this.bound.set(command, { command, implementation, isWrite, ...counts });
  }
}

function helpOf(container: Command): Implementation {
  return { kind: 'special', run: (_session, _args, out) => out.reply(helpReply(container)) };
}
