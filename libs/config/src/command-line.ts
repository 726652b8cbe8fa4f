/**
 * Splits the arguments of a process into values by option, without judging the values: `--http-port=5001`,
 * `--http-port 5001`, `--x`, `--no-x`, `--x=false`, one bare argument, and `--`, after which all is bare.
 * Of a flag given twice the last one counts, so that a wrapper's flags can be overridden.
 */
import { flagOf } from './names.js';
import { nearest } from './nearest.js';
import type { OptionList } from './option-table.js';

/** A value as given, under the name by which the user gave it. */
export interface Given {
  readonly name: string;
  readonly text: string;
}

export interface CommandLine {
  readonly given: ReadonlyMap<string, Given>;
  readonly problems: readonly string[];
  readonly asksFor: 'help' | 'version' | undefined;
}

export function readCommandLine(list: OptionList, argv: readonly string[]): CommandLine {
  const flags = flagsOf(list);
  const given = new Map<string, Given>();
  const bare: string[] = [];
  const problems: string[] = [];
  let asksFor: CommandLine['asksFor'];

  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? '';
    if (argument === '--') {
      bare.push(...argv.slice(i + 1));
      break;
    }
    if (!looksLikeFlag(argument)) {
      bare.push(argument);
      continue;
    }
    const { name, text: attached } = splitAtEquals(argument);
    const flag = flags.get(name);
    const next = argv[i + 1];
    const follows = attached === undefined && next !== undefined && !looksLikeFlag(next) ? next : undefined;
    switch (flag?.kind) {
      case undefined: {
        const meant = nearest(name, flags.keys());
        problems.push(`unknown flag ${quote(name)}${meant === undefined ? '' : `; did you mean ${meant}?`}`);
        // What follows is most likely its value, and not another problem.
        if (follows !== undefined) i++;
        break;
      }
      case 'ask':
        asksFor ??= flag.for;
        break;
      case 'switch':
        if (attached !== undefined && !flag.on)
          problems.push(`${name} takes no value; it got ${quote(attached)}`);
        else given.set(flag.key, { name, text: attached ?? String(flag.on) });
        break;
      case 'value':
        if (follows !== undefined) i++;
        given.set(flag.key, { name, text: attached ?? follows ?? '' });
        break;
    }
  }

  problems.push(...placeBare(list, { bare, given }));
  return { given, problems, asksFor };
}

type Flag =
  | { readonly kind: 'ask'; readonly for: 'help' | 'version' }
  | { readonly kind: 'switch'; readonly key: string; readonly on: boolean }
  | { readonly kind: 'value'; readonly key: string };

function flagsOf(list: OptionList): Map<string, Flag> {
  const flags = new Map<string, Flag>([
    ['--help', { kind: 'ask', for: 'help' }],
    ['-h', { kind: 'ask', for: 'help' }],
    ['--version', { kind: 'ask', for: 'version' }],
  ]);
  for (const [key, { isToggle }] of Object.entries(list.options)) {
    flags.set(`--${flagOf(key)}`, isToggle ? { kind: 'switch', key, on: true } : { kind: 'value', key });
    if (isToggle) flags.set(`--no-${flagOf(key)}`, { kind: 'switch', key, on: false });
  }
  return flags;
}

/** The bare argument is the value of the positional option; any other is one too many. */
function placeBare(
  list: OptionList,
  { bare, given }: { readonly bare: readonly string[]; readonly given: Map<string, Given> },
): string[] {
  const [key] = Object.entries(list.options).find(([, { positional }]) => positional) ?? [];
  const [first, ...rest] = bare;
  if (first === undefined) return [];
  if (key === undefined) return bare.map((text) => `unexpected argument ${quote(text)}`);
  const problems = rest.map((text) => `unexpected argument ${quote(text)}`);
  const flag = given.get(key);
  if (flag === undefined) given.set(key, { name: 'the argument', text: first });
  else
    problems.unshift(`${flag.name} and the argument ${quote(first)} set the same option; give one of them`);
  return problems;
}

/** A negative number is a value, and so is a lone dash. */
function looksLikeFlag(argument: string): boolean {
  return /^-[^\d]/.test(argument);
}

function splitAtEquals(argument: string): Given | { readonly name: string; readonly text: undefined } {
  const equals = argument.indexOf('=');
  return equals < 0
    ? { name: argument, text: undefined }
    : { name: argument.slice(0, equals), text: argument.slice(equals + 1) };
}

/** Enough to recognise one's own input; what is longer was not typed. */
const QUOTED_LENGTH_MAX = 100;

/** As in the message of a problem: control characters escaped, long text cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}…` : text);
}
