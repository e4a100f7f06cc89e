import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DisplayName,
  firstIssue,
  IssueToken,
  Negotiation,
  newId,
  Participant,
  signalRequests,
  TokenClaims,
} from '../src/index.ts';

const nowSeconds = Math.floor(Date.now() / 1000);
const claims = {
  ...{ iss: 'i', aud: 'a', sub: 'ada', jti: '12345678' },
  ...{ iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 60 },
};
const stream = { mid: '0', publicationId: newId('publication'), kind: 'audio', source: 'microphone', muted: false };
const publication = { kind: 'audio', source: 'microphone', rtpParameters: { codecs: [] } };

/** Where a name or a label enters, as a function that returns why it is refused. */
const entries: [string, (text: string) => string | undefined][] = [
  ['the claim name of a token', (name) => refusalOf(TokenClaims.safeParse({ ...claims, name }))],
  ['the name in join', (name) => refusalOf(signalRequests.join.payload.safeParse({ room: 'daily', name }))],
  ['the name in a request for a token', (name) => refusalOf(IssueToken.safeParse({ name, grants: [] }))],
  [
    'the label of a publication',
    (label) => {
      const { error } = signalRequests.publish.payload.safeParse({ ...publication, label });
      return error?.issues.find(({ path }) => path[0] === 'label')?.message;
    },
  ],
  [
    'the label of a direct publication',
    (label) => refusalOf(Negotiation.safeParse({ kind: 'streams', peer: 'pt_a', streams: [{ ...stream, label }] })),
  ],
];

function refusalOf({ error }: { error?: Parameters<typeof firstIssue>[0] | undefined }): string | undefined {
  return error && firstIssue(error);
}

const zwj = '\u200D';
const zwnj = '\u200C';

describe('a display name or label', () => {
  const good = [
    ...[
      'Ada Lovelace',
      "Zoë O'Brien-Łukasz",
      'Νίκος',
      'Дмитрий',
      'Անի',
      'ნინო',
      '山田 太郎',
      '김민준',
      'สมชาย',
      'אריאל',
      'نوال',
    ],
    // Persian and Urdu words with a joiner that separates two letters.
    ...[`می${zwnj}روم`, `علی${zwnj}رضا`, `گل${zwnj}بهار خانه${zwnj}ی ما`, `تیغ${zwnj}زن`],
    // Devanagari, Bengali, Malayalam, Sinhala, Kannada.
    ...[`शर्${zwj}मा`, `क्${zwnj}ष`, `র${zwj}্যাচেল`, `അവന്${zwj}`, `ශ්${zwj}රී`, `ರ${zwj}್ಯ`],
    // An ideograph with a variation selector; Mongolian.
    ...['葛\u{E0100}城', '辻\uFE00', 'ᠠ\u180Bᠨ', 'ᠨ\u180Eᠠ'],
    ...[
      'Ada 🚀',
      'I ❤\uFE0F you',
      `👩${zwj}💻`,
      `👨🏽${zwj}👩🏽${zwj}👧🏽${zwj}👦🏽`,
      `🏳\uFE0F${zwj}🌈`,
      `🕵🏻${zwj}♂\uFE0F`,
      '1\uFE0F\u20E3',
    ],
    ...['🇩🇪', '🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}', '⚡\uFE0F', '☎\uFE0E'],
  ];
  test.each(good)('%j is accepted wherever one enters', (text) => {
    for (const [entry, refusal] of entries) expect(refusal(text), entry).toBeUndefined();
  });

  const bad: [string, string][] = [
    ...([
      ['Ada\u200B', 'U+200B'],
      ['Ada\r\nb', 'U+000D'],
      ['Ada\n', 'U+000A'],
      ['a\u0000b', 'U+0000'],
      ['\u009Bx', 'U+009B'],
      ['a\u2028b', 'U+2028'],
      ['a\u2029b', 'U+2029'],
      ['Ada \u202Egpj.exe', 'U+202E'],
      ['\u2066Ada\u2069', 'U+2066'],
      ['a\u200Fb', 'U+200F'],
      ['a\u061Cb', 'U+061C'],
      ['A\u00ADda', 'U+00AD'],
      ['A\u034Fda', 'U+034F'],
      ['\uFEFFAda', 'U+FEFF'],
      ['Ada\u3164', 'U+3164'],
      ['Ada\u115F', 'U+115F'],
      ['Ada\u2060', 'U+2060'],
      ['Ada\uFFF9b', 'U+FFF9'],
      // Joiners and selectors that have no effect.
      [`Ada${zwj}`, 'U+200D'],
      [`A${zwnj}da`, 'U+200C'],
      [`🚀${zwj}`, 'U+200D'],
      [`a${zwj}🚀`, 'U+200D'],
      [`👩${zwj}${zwj}💻`, 'U+200D'],
      [`می${zwnj}`, 'U+200C'],
      [`دا${zwnj}را`, 'U+200C'],
      [`می${zwj}روم`, 'U+200D'],
      ['Ada\uFE0F', 'U+FE0F'],
      ['Ada1\uFE0F', 'U+FE0F'],
      ['❤\uFE0F\uFE0F', 'U+FE0F'],
      ['a\u{E0100}', 'U+E0100'],
      ['葛\u{E0100}\u{E0101}', 'U+E0101'],
      ['Ada\u{E0041}', 'U+E0041'],
      ['🏴\u{E0068}\u{E0069}\u{E007F}', 'U+E0068'],
      ['a\u180Bb', 'U+180B'],
    ] as [string, string][]),
  ];
  test.each(bad)('%j is refused wherever one enters, and the message names %s', (text, code) => {
    for (const [entry, refusal] of entries) expect(refusal(text), entry).toContain(code);
  });

  test('the message says where the character is and which kinds are refused', () => {
    expect(refusalOf(DisplayName.safeParse('👩 Ada\u200B'))).toBe(
      'has U+200B at position 6: control, bidirectional and invisible characters are refused in names and labels',
    );
  });

  test('that is accepted has no control character and no bidirectional control, and begins with no invisible one', () => {
    const anyText = fc.string({
      unit: fc.oneof(
        fc.constantFrom(zwj, zwnj, '\uFE0F', '\u202E', '\n', '🚀', '👩', '🏽', 'م', 'ی', 'क', '्', '葛', '1', 'a'),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      ),
      maxLength: 200,
    });
    fc.assert(
      fc.property(anyText, (text) => {
        const { success, data } = DisplayName.safeParse(text);
        expect(success && /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u.test(data)).toBe(false);
        expect(success && /^\p{Default_Ignorable_Code_Point}/u.test(data)).toBe(false);
      }),
    );
  });

  test('of an earlier version is still read in a participant', () => {
    const participant = { id: 'pt_a', userId: 'ada', name: 'Ada\u200B', joinedAt: 1, grants: [] };
    expect(Participant.parse(participant)).toMatchObject({ name: 'Ada\u200B' });
  });
});
