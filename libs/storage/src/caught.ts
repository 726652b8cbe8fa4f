/**
 * What a caught value tells. By its fields, not its class: the errors of Node and of native modules belong to another
 * realm wherever code runs in a context of its own, as it does under a test runner.
 */
function field(caught: unknown, name: string): unknown {
  return typeof caught === 'object' && caught !== null
    ? (caught as Record<string, unknown>)[name]
    : undefined;
}

/** The code of a system or LevelDB error: `ENOENT`, `LEVEL_LOCKED`. */
export function codeOf(caught: unknown): string | undefined {
  const code = field(caught, 'code');
  return typeof code === 'string' ? code : undefined;
}

export function messageOf(caught: unknown): string {
  const message = field(caught, 'message');
  return typeof message === 'string' ? message : String(caught);
}

/** The reason behind an error that only wraps it, or the error itself. */
export function reasonOf(caught: unknown): unknown {
  return field(caught, 'cause') ?? caught;
}
