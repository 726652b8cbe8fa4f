/**
 * Goal: a method that asks to be called directly is, only where Nest would have done nothing, and then the answer is
 * the same. Method: which methods qualify, asked of the function that decides; whether what Nest does still happens,
 * and what errors become, asked of applications.
 */
import 'reflect-metadata';

import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Header,
  HttpCode,
  Injectable,
  Module,
  Param,
  ParseIntPipe,
  Query,
  Req,
  Res,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type { CanActivate, ExceptionFilter, NestInterceptor } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';

import { invariant, StoreError } from '@diststore/base';

import { startProbe } from '../test/probe-app.js';
import type { ProbeApp } from '../test/probe-app.js';
import { RawConnection } from '../test/raw-connection.js';
import type { Answer } from '../test/raw-connection.js';
import { Direct, directCallOf, directMarkOf } from './direct-call.js';
import type { DirectMark } from './direct-call.js';
import type { CallResponse, DirectRequest } from './direct-request.js';
import { Reply } from './reply.js';

class Refusal implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

class Silence implements ExceptionFilter {
  catch(): void {
    return undefined;
  }
}

class Watching implements NestInterceptor {
  intercept: NestInterceptor['intercept'] = (_context, next) => next.handle();
}

/** Whether Nest stands between the adapter and the method. */
function callers(): string {
  return new Error().stack?.includes('router-execution-context') === true ? 'Nest' : 'the adapter';
}

@Controller()
class Plain {
  private readonly name = 'plain';

  @Get('a/:key')
  @Direct()
  all(
    @Param('key') key: string,
    @Param() params: Record<string, string>,
    @Query('q') q: unknown,
    @Query() query: unknown,
    @Req() req: DirectRequest,
  ): Reply {
    return Reply.json(200, { name: this.name, key, params, q, query, url: req.url });
  }

  @Get('none')
  @Direct()
  none(...rest: unknown[]): Reply {
    return Reply.json(200, rest);
  }

  @Get('throws/:what')
  @Direct()
  throws(@Param('what') what: string): Reply | Promise<Reply> {
    const error = what.startsWith('bug')
      ? new TypeError('secret')
      : new StoreError('retry-later', 'No primary.');
    if (what === 'invariant') invariant(false, 'one plus one is two');
    if (what === 'header') return Promise.resolve(new Reply(200, ['X-Bad', 'line\nbreak'], 'x'));
    if (what.endsWith('later')) return Promise.reject(error);
    throw error;
  }

  @Get('unmarked')
  unmarked(): Reply {
    return Reply.text(200, callers());
  }

  @Get('marked')
  @Direct()
  marked(): Reply {
    return Reply.text(200, callers());
  }

  @Get('guarded')
  @Direct()
  @UseGuards(Refusal)
  guarded(): Reply {
    return Reply.text(200, 'never');
  }

  @Get('filtered')
  @Direct()
  @UseFilters(Silence)
  filtered(): Reply {
    return Reply.text(200, 'x');
  }

  @Get('intercepted')
  @Direct()
  @UseInterceptors(Watching)
  intercepted(): Reply {
    return Reply.text(200, 'x');
  }

  @Get('status')
  @Direct()
  @HttpCode(202)
  status(): Reply {
    return Reply.text(200, 'x');
  }

  @Get('header')
  @Direct()
  @Header('X-Set', 'yes')
  header(): Reply {
    return Reply.text(200, 'x');
  }

  @Get('piped/:n')
  @Direct()
  piped(@Param('n', ParseIntPipe) n: number): Reply {
    return Reply.text(200, typeof n);
  }

  @Get('response')
  @Direct()
  response(@Res() res: unknown): Reply {
    return Reply.text(200, typeof res);
  }

  @Get('passthrough')
  @Direct()
  passthrough(@Res({ passthrough: true }) res: CallResponse): Reply {
    res.once('close', () => undefined);
    return Reply.text(200, `gone: ${res.destroyed}`);
  }

  @Get('gap')
  @Direct()
  gap(first: unknown, @Req() req: DirectRequest): Reply {
    return Reply.text(200, `${typeof first} ${typeof req}`);
  }
}

@Controller()
@UseGuards(Refusal)
class Guarded {
  @Get('class-guard')
  @Direct()
  get(): Reply {
    return Reply.text(200, 'never');
  }
}

@Controller({ host: 'a.example' })
class Hosted {
  @Get('hosted')
  @Direct()
  get(): Reply {
    return Reply.text(200, 'hosted');
  }
}

@Injectable({ scope: Scope.REQUEST })
@Controller({ scope: Scope.REQUEST })
class PerRequest {
  private calls = 0;

  @Get('per-request')
  @Direct()
  get(): Reply {
    return Reply.text(200, `${++this.calls}`);
  }
}

@Module({})
class AnotherModule {}

const qualifies = (instance: object, name: string): boolean => {
  const method = (instance as Record<string, object>)[name] as object;
  const mark = directMarkOf(method);
  return mark !== undefined && directCallOf(instance, mark) !== undefined;
};

describe('Direct: which methods qualify', () => {
  it.each(['all', 'none', 'throws', 'passthrough'])('%s does, which leaves Nest nothing to do', (name) => {
    expect(qualifies(new Plain(), name)).toBe(true);
  });

  it.each(['unmarked', 'guarded', 'filtered', 'intercepted', 'status', 'header', 'piped', 'response', 'gap'])(
    '%s does not',
    (name) => {
      expect(qualifies(new Plain(), name)).toBe(false);
    },
  );

  it.each([new Guarded(), new Hosted(), new PerRequest()])(
    'none of a controller does that declares more: %o',
    (one) => {
      expect(qualifies(one, 'get')).toBe(false);
    },
  );

  it('a method that an instance has hidden does not', () => {
    const mark = directMarkOf(
      (Plain.prototype as unknown as Record<string, object>)['none'] as object,
    ) as DirectMark;
    expect(directCallOf(Object.assign(new Plain(), { none: 1 }), mark)).toBeUndefined();
  });
});

const running: ProbeApp[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ app }) => app.close()));
});

async function start(...args: Parameters<typeof startProbe>): Promise<ProbeApp> {
  const probe = await startProbe(...args);
  running.push(probe);
  return probe;
}

async function get({ server }: ProbeApp, target: string, host = 'x'): Promise<Answer> {
  const connection = await RawConnection.open(server);
  const answer = await connection.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`).answer();
  connection.socket.destroy();
  return answer;
}

describe('Direct: answers', () => {
  it.each([
    '/a/key?q=1&r=2&r=3',
    '/a/%C3%A9',
    '/none',
    '/throws/now',
    '/throws/later',
    '/throws/bug',
    '/throws/bug-later',
    '/throws/header',
    '/throws/invariant',
    '/guarded',
    '/intercepted',
    '/status',
    '/header',
    '/passthrough',
    '/piped/12',
    '/piped/x',
    '/class-guard',
    '/hosted',
    '/per-request',
  ])('%s is answered as Nest does', async (target) => {
    const module = { controllers: [Plain, Guarded, Hosted, PerRequest] };
    const [direct, express] = [await start(module, true), await start(module, false)];
    expect(await get(direct, target)).toEqual(await get(express, target));
    expect(direct.fatal).toHaveLength(express.fatal.length);
  });

  it('a marked method is called by the adapter, any other by Nest', async () => {
    const probe = await start({ controllers: [Plain] });
    expect((await get(probe, '/marked')).body).toBe('the adapter');
    expect((await get(probe, '/unmarked')).body).toBe('Nest');
  });

  it('a controller that is made for each request is', async () => {
    const probe = await start({ controllers: [PerRequest] });
    for (let i = 0; i < 2; i++) expect((await get(probe, '/per-request')).body).toBe('1');
  });

  it('a global guard stands before every method', async () => {
    const probe = await start({
      controllers: [Plain],
      providers: [{ provide: APP_GUARD, useClass: Refusal }],
    });
    expect((await get(probe, '/none')).status).toBe(403);
  });

  it('a controller that two modules have is left to Nest', async () => {
    const again = { module: AnotherModule, controllers: [Plain] };
    const probe = await start({ controllers: [Plain], imports: [again] });
    expect((await get(probe, '/marked')).body).toBe('Nest');
  });
});
