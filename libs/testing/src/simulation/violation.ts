/** What a simulation found; `message` begins with the rule that was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
