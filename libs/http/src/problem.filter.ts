/**
 * The one exception filter of an application: whatever a handler, a guard, a pipe or Express throws becomes a
 * problem document, and whatever nobody expected is logged with its stack.
 *
 * A broken invariant is answered like any unexpected error and then handed on, because the process no longer knows
 * what is true and has to end.
 */
import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';

import { Catch, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';

import { isStoreError } from '@diststore/base';

import { problemOf, problemReply } from './problem.js';
import type { Problem } from './problem.js';
import { writeReply } from './reply.js';
import type { Reply } from './reply.js';

export interface ProblemFilterOptions {
  /** Called once for each InvariantError, after its answer is written: log the state and exit. Must not throw. */
  readonly onFatal: (error: Error) => void;
}

@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  constructor(private readonly options: ProblemFilterOptions) {}

  catch(error: unknown, host: ArgumentsHost): void {
    this.answer(error, host.switchToHttp().getResponse<ServerResponse>());
  }

  /** As `catch`, for who has no ArgumentsHost. */
  answer(error: unknown, res: ServerResponse): void {
    answerProblem(res, this.logged(error));
    this.answered(error);
  }

  /** For who writes the answer, and then calls `answered`. */
  replyTo(error: unknown): Reply {
    return problemReply(this.logged(error));
  }

  answered(error: unknown): void {
    if (error instanceof Error && error.name === 'InvariantError') this.options.onFatal(error);
  }

  private logged(error: unknown): Problem {
    const about = problemOf(error);
    this.log(error, about);
    return about;
  }

  private log(error: unknown, about: Problem): void {
    // What is expected while a node is away comes in floods; it is counted, not logged.
    if (about.status < 500 || about.retryable || about.code === 'outcome-unknown') return;
    // What has a code of its own says what is wrong, and where: not in the program.
    if (isStoreError(error) && !isStoreError(error, 'internal'))
      this.logger.error(`${about.code}: ${about.detail}`);
    else if (error instanceof Error) this.logger.error(error.message, error.stack);
    else this.logger.error(`A value that is no Error was thrown: ${inspect(error)}`);
  }
}

/**
 * Answers with `about`. When an answer has begun already, the connection is cut: its client must not take the part
 * that it has for the whole.
 */
export function answerProblem(res: ServerResponse, about: Problem): void {
  if (res.headersSent) {
    if (!res.writableEnded) res.destroy();
    return;
  }
  writeReply(res, problemReply(about));
}
