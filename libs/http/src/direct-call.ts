/**
 * The methods that the adapter calls itself, without what Nest wraps around a handler. Nest's wrapping is seven
 * asynchronous functions, and cost a fifth of a GET (measured: 5 of 27 µs), although most routes leave nothing for it
 * to do: no guard, pipe or interceptor, and a Reply for a result, which says all there is to say.
 *
 * Invariant: the answer is the one that Nest would have given. Which methods qualify is decided once, when the
 * application starts, from Nest's own metadata, by a list of what is known to leave nothing to do. Whatever is not on
 * the list (any guard, pipe, interceptor, filter, status, header, host, version, scope) leaves the route to Nest.
 */
import 'reflect-metadata';

import {
  CONTROLLER_WATERMARK,
  HOST_METADATA,
  METHOD_METADATA,
  PATH_METADATA,
  RESPONSE_PASSTHROUGH_METADATA,
  ROUTE_ARGS_METADATA,
  RouteParamtypes,
  SCOPE_OPTIONS_METADATA,
  VERSION_METADATA,
} from '@nestjs/common/internal';

import type { CallRequest, CallResponse } from './direct-request.js';
import type { Reply } from './reply.js';

type Replying = (...args: never[]) => Reply | Promise<Reply>;

/** A controller's method that has asked to be called directly. */
export interface DirectMark {
  readonly prototype: object;
  readonly name: string;
}

/** Calls the method with the arguments that its decorators name. Throws, or rejects, as the method does. */
export type DirectCall = (req: CallRequest, res: CallResponse) => unknown;

/** Calls, and tells `answer` the result or `fail` the error, at once or later. What `answer` throws at once is an error too. */
export function callThen(
  call: DirectCall,
  req: CallRequest,
  res: CallResponse,
  answer: (result: unknown) => void,
  fail: (error: unknown) => void,
): void {
  try {
    const result = call(req, res);
    if (result instanceof Promise) result.then(answer, fail);
    else answer(result);
  } catch (error) {
    fail(error);
  }
}

const MARK = 'diststore:direct';

/** What a controller may declare. Those named here must not be set. */
const CLASS_KEYS = new Set([CONTROLLER_WATERMARK, PATH_METADATA]);
const UNSET_CLASS_KEYS = new Set([HOST_METADATA, SCOPE_OPTIONS_METADATA, VERSION_METADATA]);
const METHOD_KEYS = new Set([METHOD_METADATA, PATH_METADATA, MARK]);
/** They describe, and change nothing; the last is what an application keeps for its own documents. */
const DESCRIBING = /^(?:design:|self:|swagger\/|diststore:description$)/;

/**
 * Marks a route whose method returns nothing but Replies, and takes its request for no more than a CallRequest and its
 * response for no more than a CallResponse, so that it may be called without Nest, and without Node's. For hot routes.
 */
export function Direct() {
  return <M extends Replying>(
    prototype: object,
    name: string,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    const mark: DirectMark = { prototype, name };
    // Nest copies a method's metadata to the handler that it gives the adapter.
    Reflect.defineMetadata(MARK, mark, descriptor.value as M);
  };
}

/** The mark of the method that Nest made `handler` for. */
export function directMarkOf(handler: object): DirectMark | undefined {
  return Reflect.getMetadata(MARK, handler) as DirectMark | undefined;
}

/** @returns undefined when Nest would do something for this method, or may. */
export function directCallOf(instance: object, { name }: DirectMark): DirectCall | undefined {
  const method = (instance as Record<string, unknown>)[name];
  if (typeof method !== 'function') return undefined;
  const isPlain =
    metadataKeys(instance.constructor).every((key) => leavesClassPlain(instance.constructor, key)) &&
    metadataKeys(method).every((key) => METHOD_KEYS.has(key) || DESCRIBING.test(key));
  const readers = isPlain ? argumentReaders(instance.constructor, name) : undefined;
  if (readers === undefined) return undefined;
  return (req, res) => {
    const args: unknown[] = [];
    for (const read of readers) args.push(read(req, res));
    return method.apply(instance, args) as unknown;
  };
}

function metadataKeys(target: object): string[] {
  return Reflect.getMetadataKeys(target).map(String);
}

function leavesClassPlain(controller: object, key: string): boolean {
  if (UNSET_CLASS_KEYS.has(key)) return Reflect.getMetadata(key, controller) === undefined;
  return CLASS_KEYS.has(key) || DESCRIBING.test(key);
}

type ArgumentReader = DirectCall;

/** As Nest keeps it: by `<kind>:<index>`. */
interface ArgumentMetadata {
  readonly index: number;
  readonly data?: unknown;
  readonly pipes?: readonly unknown[];
  readonly schema?: unknown;
}

function argumentReaders(controller: object, name: string): ArgumentReader[] | undefined {
  const declared = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, name) ?? {}) as Record<
    string,
    ArgumentMetadata
  >;
  const keepsResponse = Reflect.getMetadata(RESPONSE_PASSTHROUGH_METADATA, controller, name) === true;
  const readers: ArgumentReader[] = [];
  for (const [key, metadata] of Object.entries(declared)) {
    const reader = argumentReader(key, metadata);
    // Without `passthrough` a method that has the response answers by itself.
    if (reader === undefined || (reader === readResponse && !keepsResponse)) return undefined;
    readers[metadata.index] = reader;
  }
  // A gap is an argument that no decorator names.
  return Object.keys(readers).length === readers.length ? readers : undefined;
}

const readResponse: ArgumentReader = (_req, res) => res;

function argumentReader(
  key: string,
  { index, data, pipes, schema }: ArgumentMetadata,
): ArgumentReader | undefined {
  if ((pipes !== undefined && pipes.length > 0) || schema !== undefined) return undefined;
  const named = typeof data === 'string' && data !== '' ? data : undefined;
  if (data !== undefined && named === undefined) return undefined;
  switch (key) {
    case `${RouteParamtypes.REQUEST}:${index}`:
      return (req) => req;
    case `${RouteParamtypes.RESPONSE}:${index}`:
      return readResponse;
    case `${RouteParamtypes.PARAM}:${index}`:
      return named === undefined ? (req) => req.params : (req) => req.params[named];
    case `${RouteParamtypes.QUERY}:${index}`:
      return named === undefined ? (req) => req.query : (req) => req.query[named];
    default:
      return undefined;
  }
}
