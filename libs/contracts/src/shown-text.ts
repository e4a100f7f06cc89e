/**
 * Text of one user that others are shown: names and labels. As in the FreeformClass of RFC 8264, it has no control characters and no
 * invisible ones, which make two names look alike or reorder what stands beside them. Invisible characters that a script or an emoji
 * needs are accepted where they take effect.
 */
import { z } from 'zod';

/** Control characters, line separators, default-ignorable characters (bidirectional controls included) and interlinear annotations. */
const refused = String.raw`\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB`;

const letterOf = (script: string): string => String.raw`(?=\p{L})\p{Script=${script}}`;

/** Arabic letters that do not join the letter after them (`Joining_Type` R and U of the Unicode Character Database). */
const notJoining = String.raw`[\u0621-\u0625\u0627\u0629\u062F-\u0632\u0648\u0671-\u0677\u0688-\u0699\u06C0\u06C3-\u06CB\u06CD\u06CF\u06D2\u06D3\u06D5\u06EE\u06EF\u0759-\u075B\u076B\u076C\u0771\u0773\u0774\u0778\u0779]`;
/** Signs that join consonants of Indic scripts and their relatives in use (`Canonical_Combining_Class` Virama). */
const virama = String.raw`[\u094D\u09CD\u0A4D\u0ACD\u0B4D\u0BCD\u0C4D\u0CCD\u0D3B\u0D3C\u0D4D\u0DCA\u0F84\u1039\u103A\u17D2\u1B44\uA8C4\uA9C0\uAAF6\uABED\u{11133}\u{11134}\u{11442}]`;
const pictograph = String.raw`\p{Extended_Pictographic}`;

/** What may hold invisible characters. No two of these, and none of them and a single visible character, match the same text. */
const sequences = [
  // Emoji (UTS #51): joined to the next one, or with a variation selector; keycaps; flags of England, Scotland and Wales.
  String.raw`${pictograph}(?:[\uFE0E\uFE0F]|\p{Emoji_Modifier})?\u200D(?=${pictograph})`,
  String.raw`${pictograph}[\uFE0E\uFE0F]`,
  String.raw`[0-9#*]\uFE0F(?=\u20E3)`,
  String.raw`\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}`,
  // ZERO WIDTH NON-JOINER between Arabic letters that would join (RFC 5892, appendix A.1), as in Persian.
  String.raw`(?!${notJoining})${letterOf('Arabic')}\p{Mn}{0,4}\u200C(?=\p{Mn}{0,4}${letterOf('Arabic')})`,
  // Joiners behind a virama (RFC 5892, appendices A.1 and A.2), and between RA and a virama (Unicode Standard, chapter 12).
  String.raw`${virama}[\u200C\u200D]`,
  String.raw`[\u09B0\u09F0\u0CB0]\u200D(?=[\u09CD\u0CCD])`,
  // Variants of ideographs, as in Japanese names (UTS #37), and of Mongolian letters.
  String.raw`\p{Ideographic}[\uFE00-\uFE02\u{E0100}-\u{E01EF}]`,
  String.raw`${letterOf('Mongolian')}(?:[\u180B-\u180D\u180F]|\u180E(?=${letterOf('Mongolian')}))`,
];
const accepted = `(?:${sequences.join('|')}|[^${refused}])*`;
const whole = new RegExp(`^${accepted}$`, 'u');
const beginning = new RegExp(`^${accepted}`, 'u');

/** The refusal of a text: names its first character that is not accepted. */
function refusalOf(text: unknown): string {
  const kinds = 'control, bidirectional and invisible characters are refused in names and labels';
  if (typeof text !== 'string') return kinds;
  const at = beginning.exec(text)?.[0].length ?? 0;
  const code = text.codePointAt(at) ?? 0;
  return `has U+${code.toString(16).toUpperCase().padStart(4, '0')} at position ${at}: ${kinds}`;
}

/** A string that others are shown. */
export const shownText = (): z.ZodString => z.string().regex(whole, { error: ({ input }) => refusalOf(input) });

/** Label of a publication, chosen by its publisher. */
export const Label = shownText()
  .max(128)
  .describe(
    'Label for display, at most 128 characters. Control, bidirectional and invisible characters are refused, as in a display name.',
  );
