/**
 * Turns the command line and the environment into a frozen configuration: flags over environment over defaults.
 *
 * All problems are found in one go, each naming where the value came from, the value, and what is allowed. Only
 * values that count are judged: not an environment variable that a flag overrides. Relations between options are
 * checked once each value by itself is allowed, since they mean nothing before.
 *
 * An empty environment variable counts as unset, as `X=${UNSET}` in a compose file leaves it. A flag with an empty
 * value is a problem.
 */
import { quote, readCommandLine } from './command-line.js';
import type { Given } from './command-line.js';
import { helpText } from './help.js';
import { ENV_PREFIX, envOf } from './names.js';
import { nearest } from './nearest.js';
import type { Config, Option, OptionList, Options, OptionTable } from './option-table.js';

export interface ParseInput {
  /** Without the interpreter and the script: `process.argv.slice(2)`. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type ParseResult<C> =
  /** Start. Warnings are for the log: they may be mistakes, or variables of a program unknown here. */
  | { readonly kind: 'config'; readonly config: C; readonly warnings: readonly string[] }
  /** Help or version was asked for: print `text` to standard output and exit with 0. */
  | { readonly kind: 'print'; readonly text: string }
  /** Do not start: print `text`, which lists all `problems`, to standard error and exit with 2. */
  | { readonly kind: 'problems'; readonly problems: readonly string[]; readonly text: string };

/** Never throws, whatever the input; what a schema or the table's own `check` throws passes through. */
export function parseOptions<O extends Options>(
  table: OptionTable<O>,
  { argv, env }: ParseInput,
): ParseResult<Config<O>> {
  const commandLine = readCommandLine(table, argv);
  if (commandLine.asksFor === 'help') return { kind: 'print', text: helpText(table) };
  if (commandLine.asksFor === 'version') return { kind: 'print', text: `${table.version}\n` };

  const problems = [...commandLine.problems];
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(table.options)) {
    const given = commandLine.given.get(key) ?? fromEnvironment(key, env);
    const read = given === undefined ? { value: option.default } : readValue(option, given);
    if ('problem' in read) problems.push(read.problem);
    else values[key] = read.value;
  }
  const config = Object.freeze(values) as Config<O>; // Each value has passed the schema of its key.
  if (problems.length === 0) problems.push(...table.check(config));

  return problems.length === 0
    ? { kind: 'config', config, warnings: strayVariables(table, env) }
    : { kind: 'problems', problems, text: problemsText(table, problems) };
}

function fromEnvironment(key: string, env: ParseInput['env']): Given | undefined {
  const text = env[envOf(key)];
  return text === undefined || text === '' ? undefined : { name: envOf(key), text };
}

function readValue(option: Option<unknown>, { name, text }: Given): { value: unknown } | { problem: string } {
  const allowed = option.schema.description ?? '';
  if (text === '') return { problem: `${name} needs a value: ${allowed}` };
  const read = option.schema.safeParse(text);
  if (read.success) return { value: read.data };
  return {
    problem: `${name} must be ${allowed}; it is ${option.secret ? 'another value (hidden)' : quote(text)}`,
  };
}

/** Variables that look meant for diststore but name no option: a slip there would otherwise go unnoticed. */
function strayVariables(
  { options, foreignEnv }: Pick<OptionTable<Options>, 'options' | 'foreignEnv'>,
  env: ParseInput['env'],
): string[] {
  const own = Object.keys(options).map(envOf);
  const known = new Set([...own, ...foreignEnv]);
  return Object.keys(env)
    .filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name))
    .map((name) => {
      const meant = nearest(name, own);
      return `${name} is set but names no option${meant === undefined ? '' : `; did you mean ${meant}?`}`;
    });
}

function problemsText({ program }: Pick<OptionList, 'program'>, problems: readonly string[]): string {
  const heading =
    problems.length === 1 ? 'Cannot start: 1 problem.' : `Cannot start: ${problems.length} problems.`;
  const list = problems.map((problem) => `  ${problem}`);
  return [heading, ...list, `See ${program} --help`, ''].join('\n');
}
