/**
 * The table of options of one app: the single place that says which options exist, what each allows, its default
 * and what it is for. Flags, environment, `--help` and the README's table are all read from it.
 *
 *   export const workerOptions = defineOptions({
 *     program: 'nest start worker --',
 *     summary: 'A diststore worker: keeps the data and answers for it.',
 *     version: '0.1.0',
 *     options: {
 *       httpPort: option({ schema: port, default: 5001, summary: 'Port of the HTTP API', positional: true }),
 *       legacyGetWrites: toggle({ default: true, summary: 'Whether a plain GET may write' }),
 *     },
 *     check: (config) => (config.httpPort < 1024 ? ['--http-port: a port below 1024 needs root'] : []),
 *   });
 *   export type WorkerConfig = ConfigOf<typeof workerOptions>;
 *
 * A table that contradicts itself is a programmer error: defineOptions fails an invariant when the module loads.
 */
import { invariant } from '@diststore/base';

import { flagOf, isKey } from './names.js';
import { yesOrNo } from './schemas.js';
import type { TextSchema } from './schemas.js';

export interface Option<T> {
  readonly schema: TextSchema<T>;
  /** Used when neither flag nor environment gives a value. `undefined`: the app decides, as `defaultText` says. */
  readonly default: T;
  readonly defaultText: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** The heading in `--help`. */
  readonly group: string;
  /** A flag that needs no value: `--x`, `--no-x`. */
  readonly isToggle: boolean;
  /** May also be given as the one bare argument. */
  readonly positional: boolean;
  /** Never repeated in a message. */
  readonly secret: boolean;
}

export interface OptionSpec {
  readonly summary: string;
  readonly group?: string;
  readonly positional?: boolean;
  readonly secret?: boolean;
}

export type Options = Readonly<Record<string, Option<unknown>>>;

/** The frozen object that an app works with. */
export type Config<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };
export type ConfigOf<T extends { readonly options: Options }> = Config<T['options']>;

/** What help and documentation need of a table. */
export interface OptionList {
  /** How the app is started, without its arguments. */
  readonly program: string;
  readonly summary: string;
  readonly version: string;
  readonly options: Options;
}

export interface OptionTable<O extends Options> extends OptionList {
  readonly options: O;
  /** The relations between options: one line per broken one, naming the flags. Called once each value is allowed. */
  readonly check: (config: Config<O>) => readonly string[];
  /** `DISTSTORE_…` variables of other apps, which this one passes over in silence. */
  readonly foreignEnv: readonly string[];
}

/** An option with a value: `--name value` or `--name=value`. Without a default, `undefined` when not given. */
export function option<T>(
  spec: OptionSpec & { readonly schema: TextSchema<T>; readonly default: NoInfer<T> },
): Option<T>;
export function option<T>(
  spec: OptionSpec & { readonly schema: TextSchema<T>; readonly defaultText?: string },
): Option<T | undefined>;
export function option<T>(
  spec: OptionSpec & { readonly schema: TextSchema<T>; readonly default?: T; readonly defaultText?: string },
): Option<T | undefined> {
  return {
    schema: spec.schema,
    default: spec.default,
    defaultText: spec.defaultText ?? (spec.default === undefined ? 'none' : asText(spec.default)),
    summary: spec.summary,
    group: spec.group ?? 'Options',
    isToggle: false,
    positional: spec.positional ?? false,
    secret: spec.secret ?? false,
  };
}

/** A yes-or-no option: `--name`, `--no-name`, `--name=false`. */
export function toggle(
  spec: Pick<OptionSpec, 'summary' | 'group'> & { readonly default: boolean },
): Option<boolean> {
  return { ...option({ ...spec, schema: yesOrNo }), isToggle: true };
}

/** @throws InvariantError when two options share a name, a default is not allowed, or a description is missing. */
export function defineOptions<O extends Options>(
  table: OptionList & { readonly options: O } & Partial<Pick<OptionTable<O>, 'check' | 'foreignEnv'>>,
): OptionTable<O> {
  const flags = new Set(['help', 'version']);
  for (const [key, entry] of Object.entries(table.options)) {
    invariant(isKey(key), 'an option key is camelCase', { key });
    for (const flag of entry.isToggle ? [flagOf(key), `no-${flagOf(key)}`] : [flagOf(key)]) {
      invariant(!flags.has(flag), 'no two options share a flag', { key, flag });
      flags.add(flag);
    }
    const { description } = entry.schema;
    invariant(description !== undefined, 'a schema describes what it allows: schema.describe(…)', { key });
    const fits = entry.default === undefined || readsBack(entry);
    invariant(fits, 'a default is allowed, and can be written as text', { key, default: entry.default });
  }
  const positional = Object.values(table.options).filter((entry) => entry.positional);
  invariant(positional.length <= 1, 'at most one option is positional');
  return { check: () => [], foreignEnv: [], ...table };
}

function readsBack(entry: Option<unknown>): boolean {
  const text = asText(entry.default);
  const read = entry.schema.safeParse(text);
  return read.success && asText(read.data) === text;
}

/** The value as one would type it; a list is typed with commas. */
function asText(value: unknown): string {
  return Array.isArray(value) ? value.map(asText).join(',') : String(value);
}
