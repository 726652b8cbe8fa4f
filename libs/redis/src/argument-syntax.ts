/**
 * The notation in which the command descriptions state arguments, and its translation into what COMMAND DOCS reports
 * (redis-cli shows its hints from that).
 *
 *   key value condition=[NX | XX] [GET] expiration=[EX seconds:integer | KEEPTTL] pairs=(field value)...
 *
 *   word, word:type     a value; its type is `key` for the word "key", otherwise `string` unless stated
 *   TOKEN               that word itself; directly before a value or group, it introduces it
 *   name=( a b )        a group; name=( a | b ) one of several
 *   [ a ], name=[ … ]   optional; more than one item inside needs a name
 *   item...             one or more times
 *
 * Source of the result's form: https://redis.io/docs/latest/commands/command-docs/
 */
import { invariant } from '@diststore/base';

/** Of values; groups are `oneof` or `block`, words `pure-token`. */
const VALUE_TYPES = ['string', 'integer', 'double', 'key', 'pattern', 'unix-time'] as const;

export type ArgumentType = (typeof VALUE_TYPES)[number] | 'pure-token' | 'oneof' | 'block';

export interface ArgumentDoc {
  readonly name: string;
  readonly type: ArgumentType;
  /** Literal word before the value; the whole of a `pure-token`. */
  readonly token: string | undefined;
  readonly optional: boolean;
  readonly multiple: boolean;
  /** Of a `oneof` or a `block`. */
  readonly arguments: readonly ArgumentDoc[];
}

const LEXEME = /\s*(\.\.\.|[()[\]|]|[A-Za-z][\w/-]*(?::[a-z-]+)?=?)/y;

/** Reads a syntax string of the command table. @throws InvariantError when it breaks the notation. */
export function parseArgumentSyntax(syntax: string): ArgumentDoc[] {
  const lexemes: string[] = [];
  LEXEME.lastIndex = 0;
  while (LEXEME.lastIndex < syntax.length) {
    const lexeme = LEXEME.exec(syntax)?.[1];
    invariant(lexeme !== undefined, 'the syntax is made of words and brackets', { syntax });
    lexemes.push(lexeme);
  }
  const parser = new SyntaxParser(lexemes, syntax);
  const docs = parser.sequence();
  invariant(parser.atEnd, 'brackets are balanced', { syntax });
  return docs;
}

/** Recursive descent. It recurses over our own table only, never over what a client sent. */
class SyntaxParser {
  private at = 0;

  constructor(
    private readonly lexemes: readonly string[],
    private readonly syntax: string,
  ) {}

  get atEnd(): boolean {
    return this.at === this.lexemes.length;
  }

  sequence(): ArgumentDoc[] {
    const docs: ArgumentDoc[] = [];
    while (!this.atEnd && !this.nextIs(')') && !this.nextIs(']') && !this.nextIs('|')) docs.push(this.item());
    return docs;
  }

  private item(): ArgumentDoc {
    const doc = this.element();
    if (!this.nextIs('...')) return doc;
    this.at++;
    return { ...doc, multiple: true };
  }

  private element(): ArgumentDoc {
    const lexeme = this.lexemes[this.at++] ?? '';
    if (lexeme === '[') return this.group('', ']');
    if (lexeme.endsWith('=')) {
      const close = this.lexemes[this.at++] === '(' ? ')' : ']';
      return this.group(lexeme.slice(0, -1), close);
    }
    if (/^[A-Z]/.test(lexeme)) {
      const introduces = /^[a-z]/.test(this.lexemes[this.at] ?? '');
      if (introduces) return { ...this.element(), token: lexeme };
      return { name: lexeme.toLowerCase(), type: 'pure-token', token: lexeme, ...ONCE };
    }
    invariant(/^[a-z]/.test(lexeme), 'an item begins with a word', { syntax: this.syntax, lexeme });
    const [name = '', stated = lexeme === 'key' ? 'key' : 'string'] = lexeme.split(':');
    const type = VALUE_TYPES.find((known) => known === stated);
    invariant(type !== undefined, 'the type is one of those there are', { syntax: this.syntax, lexeme });
    return { name, type, token: undefined, ...ONCE };
  }

  /** The inside of brackets, behind the opening one. */
  private group(name: string, close: ')' | ']'): ArgumentDoc {
    const alternatives = [this.sequence()];
    while (this.nextIs('|')) {
      this.at++;
      alternatives.push(this.sequence());
    }
    const closing = this.lexemes[this.at++];
    invariant(closing === close, 'brackets are balanced', { syntax: this.syntax, closing });
    const optional = close === ']';
    const items = alternatives.flat();
    if (name === '') {
      const [only] = items;
      invariant(only !== undefined && items.length === 1, 'a group of several has a name', {
        syntax: this.syntax,
      });
      return { ...only, optional };
    }
    invariant(
      alternatives.length === 1 || items.length === alternatives.length,
      'each alternative is one item',
      {
        syntax: this.syntax,
      },
    );
    const type = alternatives.length > 1 ? 'oneof' : 'block';
    return { name, type, token: undefined, optional, multiple: false, arguments: items };
  }

  private nextIs(lexeme: string): boolean {
    return this.lexemes[this.at] === lexeme;
  }
}

const ONCE = { optional: false, multiple: false, arguments: [] } as const;
