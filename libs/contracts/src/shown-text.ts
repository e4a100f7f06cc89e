/**
 * Text of one user that others are shown: names and labels. It is cleaned of characters that cannot be seen, with which two names look
 * alike, and of those that reorder what stands beside them. It is not refused for them: keyboards, directories and copied text add such
 * characters without their users' knowledge.
 */
import { z } from 'zod';
import { isWellFormed, malformedText } from './well-formed.ts';

/** Shown as a space: white space, and the empty cell of Braille. */
const blanks = /[\t-\r\u0085\u2800\p{Z}]+/gu;

/** Of the invisible characters, those that have an effect in some places: joiners, variation selectors, tags. */
const conditional = String.raw`\u200C\u200D\u180B-\u180F\uFE00-\uFE0F\u{E0020}-\u{E007F}\u{E0100}-\u{E01EF}`;

/**
 * Control characters; private use and noncharacters, which have no agreed shape; default-ignorable characters (bidirectional controls and
 * fillers included); and those without a shape of their own that Unicode does not count among these. Unassigned characters stay: the next
 * version of Unicode may assign them.
 */
const removed = new RegExp(
  String.raw`(?![${conditional}])[\p{Cc}\p{Co}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}\u070F\uFFF9-\uFFFC\u{13430}-\u{1343F}\u{16FE4}\u{1BC9D}\u{1D159}]`,
  'gu',
);

/** Two of the same joiner have the effect of one. */
const repeatedJoiner = /([\u200C\u200D])\1+/g;

/** Arabic letters that join neither neighbour (`Joining_Type` U of the Unicode Character Database), and presentation forms. */
const isolated = String.raw`\u0621\u0674\u06E5\u06E6\u0887\u08AD\u08C9\uFB50-\uFDFB\uFE70-\uFEFC`;
/** Arabic letters that join the letter before them only (`Joining_Type` R). */
const final = String.raw`\u0622-\u0625\u0627\u0629\u062F-\u0632\u0648\u0671-\u0673\u0675-\u0677\u0688-\u0699\u06C0\u06C3-\u06CB\u06CD\u06CF\u06D2\u06D3\u06D5\u06EE\u06EF\u0759-\u075B\u076B\u076C\u0771\u0773\u0774\u0778\u0779\u0870-\u0882\u088E\u08AA-\u08AC\u08AE\u08B1\u08B2\u08B9`;
const letterOf = (script: string): string => String.raw`(?=\p{L})\p{Script=${script}}`;

/** Viramas of the scripts in which a joiner behind one selects a half form or a conjunct. */
const indicVirama = String.raw`\u094D\u09CD\u0A4D\u0ACD\u0B4D\u0C4D\u0CCD\u0D3B\u0D3C\u0D4D\u0DCA`;
/** Further signs that join consonants, in use (`Canonical_Combining_Class` Virama). */
const otherVirama = String.raw`\u0BCD\u0F84\u1039\u103A\u17D2\u1B44\uA8C4\uA9C0\uAAF6\uABED\u{11133}\u{11134}\u{11442}`;

const emoji = String.raw`(?=\p{Emoji})\p{Extended_Pictographic}`;

/** Where a conditional character has an effect. All other characters of these are visible, and none is conditional. */
const effective = [
  // Emoji (UTS #51): joined to the next one, or in the presentation that is not their default; keycaps; flags of England, Scotland and Wales.
  String.raw`${emoji}(?:[\uFE0E\uFE0F]|\p{Emoji_Modifier})?\u200D(?=${emoji})`,
  String.raw`(?!\p{Emoji_Presentation})${emoji}\uFE0F`,
  String.raw`${emoji}\uFE0E`,
  String.raw`[0-9#*]\uFE0F(?=\u20E3)`,
  String.raw`\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}`,
  // ZERO WIDTH NON-JOINER between Arabic letters that would join, as in Persian.
  String.raw`(?![${isolated}${final}])${letterOf('Arabic')}\p{Mn}{0,4}\u200C(?=\p{Mn}{0,4}(?![${isolated}])${letterOf('Arabic')})`,
  // Joiners behind a virama, and between a consonant and a virama (Unicode Standard, chapters 12 and 13).
  String.raw`[${indicVirama}]\u200D`,
  String.raw`[${indicVirama}${otherVirama}]\u200C(?=\p{Lo})`,
  String.raw`[\u09B0\u09F0\u0B30\u0C30\u0CB0\u0D9A-\u0DC6][\u200C\u200D](?=[\u09CD\u0B4D\u0C4D\u0CCD\u0DCA])`,
  // Variants of ideographs, as in Japanese names (UTS #37), and of Mongolian letters.
  String.raw`\p{Ideographic}[\uFE00-\uFE02\u{E0100}-\u{E01EF}]`,
  String.raw`${letterOf('Mongolian')}(?:[\u180B-\u180D\u180F]|\u180E(?=${letterOf('Mongolian')}))`,
];
const conditionals = new RegExp(`(${effective.join('|')})|[${conditional}]`, 'gu');

/** Removes what cannot be seen from a name or label, and surplus blanks. A cleaned text stays as it is. */
export function cleanText(text: string): string {
  return text
    .replace(blanks, ' ')
    .replace(removed, '')
    .replace(repeatedJoiner, '$1')
    .replace(conditionals, '$1')
    .replace(/ {2,}/g, ' ')
    .trim();
}

/** A string that others are shown, cleaned. */
export const shownText = (): z.ZodString => z.string().overwrite(cleanText);

/** Label of a publication, chosen by its publisher. */
export const Label = shownText()
  .max(128)
  .refine(isWellFormed, malformedText)
  .describe(
    'Label for display, at most 128 characters after the server has cleaned it as a display name. A label without a visible character is empty.',
  );

/** A label that was accepted, also by an earlier version, which did not clean it. */
export const KnownLabel = z.string().max(128).describe('Label for display, chosen by the publisher.');
