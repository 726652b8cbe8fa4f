/**
 * What the OpenAPI document says of a route, beside what Nest's own decorators say. Kept as plain metadata and turned
 * into the generator's decorators when the document is asked for (api-document.ts): the generator takes tens of
 * megabytes, and most workers are never asked.
 */
import { SetMetadata } from '@nestjs/common';

export const DESCRIPTION = 'diststore:description';

export interface ParameterDescription {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly example?: string | number | boolean;
}

export interface BodyDescription {
  /** Media type. */
  readonly type: string;
  readonly description: string;
  readonly example?: unknown;
}

export interface Description {
  readonly tag: string;
  readonly summary: string;
  readonly details?: string;
  readonly parameters?: readonly ParameterDescription[];
  readonly body?: BodyDescription;
  /** By status: what it means. Problems are added by themselves. */
  readonly answers: Readonly<Record<number, string>>;
  /** Media types of the answers below 300. Default JSON. */
  readonly produces?: readonly string[];
}

export function Described(description: Description): MethodDecorator {
  return SetMetadata(DESCRIPTION, description);
}
