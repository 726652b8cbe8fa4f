/**
 * What a Nest application costs without diststore's direct path: a stock controller with the worker's routes that
 * gives one fixed answer, on Express, with Nest's defaults and its own parser for bodies of any type. Like the bare
 * server, it stores nothing.
 *
 * In plain JavaScript, decorators are called as the functions that they are.
 *
 * Told the answer over IPC, it says which port it listens on.
 */
import 'reflect-metadata';

import process from 'node:process';

import { Body, Controller, Get, Header, Module, Param, Put } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

process.once('message', async (answer) => {
  const app = await NestFactory.create(moduleOf(answer), { logger: false });
  app.useBodyParser('raw', { type: () => true });
  await app.listen(0, '127.0.0.1');
  process.send({ result: app.getHttpServer().address().port });
});
process.on('disconnect', () => process.exit());

function moduleOf({ headers, body }) {
  class StoreController {
    get() {
      return body;
    }

    putBody() {
      return JSON.parse(body);
    }

    putText() {
      return JSON.parse(body);
    }
  }
  const own = headers.map(([name, value]) => Header(name, value));
  decorate(StoreController, 'get', [Get('get/:key'), ...own], [Param('key')]);
  decorate(StoreController, 'putBody', [Put('put/:key'), ...own], [Param('key'), Body()]);
  decorate(StoreController, 'putText', [Put('put/:key/:value'), ...own], [Param('key'), Param('value')]);
  Controller()(StoreController);

  class StoreModule {}
  Module({ controllers: [StoreController] })(StoreModule);
  return StoreModule;
}

function decorate({ prototype }, name, decorators, parameters) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  for (const decorator of decorators) decorator(prototype, name, descriptor);
  parameters.forEach((decorator, index) => decorator(prototype, name, index));
}
