/**
 * Lists of entity tags, as in If-Match and If-None-Match (RFC 9110, sections 8.8.3 and 13.1).
 *
 * The tag of a value is its version in decimal, always strong. Any other tag is legal and names no version of ours.
 */
import { badHeader } from './header-syntax.js';

export interface EntityTag {
  readonly weak: boolean;
  /** Without the quotes. */
  readonly opaque: string;
}

/** `any` stands for `*`. */
export type EntityTags = 'any' | readonly EntityTag[];

/** More in one header is a mistake: every one of them is compared. Beyond: 400. */
export const ENTITY_TAGS_MAX = 100;

const TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y;
const SPACE = /[ \t]*/y;

/** @throws StoreError bad-request: not a list of tags, an empty one, or longer than ENTITY_TAGS_MAX. */
export function parseEntityTags(name: string, text: string): EntityTags {
  if (text.trim() === '*') return 'any';
  const tags: EntityTag[] = [];
  let at = 0;
  const skipSpace = (): void => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  for (;;) {
    skipSpace();
    // A list may have empty elements: RFC 9110, section 5.6.1.2.
    if (at < text.length && text[at] !== ',') {
      TAG.lastIndex = at;
      const found = TAG.exec(text);
      if (found === null)
        throw badHeader(name, text, `at character ${at + 1} there is no entity tag in quotes`);
      if (tags.length === ENTITY_TAGS_MAX)
        throw badHeader(name, text, `it has more than ${ENTITY_TAGS_MAX} tags`);
      tags.push({ weak: found[1] !== undefined, opaque: found[2] ?? '' });
      at = TAG.lastIndex;
      skipSpace();
    }
    if (at === text.length) break;
    if (text[at] !== ',') throw badHeader(name, text, `at character ${at + 1} a comma is missing`);
    at += 1;
  }
  if (tags.length === 0) throw badHeader(name, text, 'it names no entity tag');
  return tags;
}

/** The version that a tag names, or undefined when no version of ours has this tag. */
export function versionOfTag({ opaque }: EntityTag): number | undefined {
  if (!/^[1-9]\d{0,15}$/.test(opaque)) return undefined;
  const version = Number(opaque);
  return Number.isSafeInteger(version) ? version : undefined;
}

export function entityTagOf(version: number): string {
  return `"${version}"`;
}
