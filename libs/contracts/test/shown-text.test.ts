import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cleanText,
  firstIssue,
  IssueToken,
  Negotiation,
  NegotiationEvent,
  newId,
  Participant,
  Publication,
  signalRequests,
  TokenClaims,
} from '../src/index.ts';

const nowSeconds = Math.floor(Date.now() / 1000);
const claims = {
  ...{ iss: 'i', aud: 'a', sub: 'ada', jti: '12345678' },
  ...{ iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 60 },
};
const stream = { mid: '0', publicationId: newId('publication'), kind: 'audio', source: 'microphone', muted: false };
const rtpParameters = { codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 }] };
const publication = { kind: 'audio', source: 'microphone', rtpParameters };

/** Where a name enters, as a function that returns what is taken from it, or throws. */
const namesOf: [string, (name: string) => string | undefined][] = [
  ['the claim name of a token', (name) => TokenClaims.parse({ ...claims, name }).name],
  ['the name in join', (name) => signalRequests.join.payload.parse({ room: 'daily', name }).name],
  ['the name in a request for a token', (name) => IssueToken.parse({ name, grants: [] }).name],
];
const labelsOf: [string, (label: string) => string | undefined][] = [
  ['the label of a publication', (label) => signalRequests.publish.payload.parse({ ...publication, label }).label],
  [
    'the label of a direct publication',
    (label) => {
      const part = Negotiation.parse({ kind: 'streams', peer: 'pt_a', streams: [{ ...stream, label }] });
      return part.kind === 'streams' ? part.streams[0]!.label : undefined;
    },
  ],
];

const zwj = '\u200D';
const zwnj = '\u200C';
const zwsp = '\u200B';

describe('a display name or label', () => {
  const kept = [
    ...['Ada Lovelace', "Zoë O'Brien-Łukasz", 'Νίκος', 'Дмитрий', 'Անի', 'ნინო', '山田 太郎', '김민준', 'สมชาย'],
    ...['אריאל', 'نوال', 'សុខា', 'မောင်', 'བཀྲ་ཤིས', 'ᚐᚇᚐ', 'ⴰⵎⴰⵣⵉⵖ', 'Ɓuƙari', 'Nguyễn Văn An'],
    // A joiner that separates two letters in Persian, Urdu and Sorani, also behind a vowel sign and before a vowel.
    ...[
      `می${zwnj}روم`,
      `علی${zwnj}رضا`,
      `گل${zwnj}بهار خانه${zwnj}ی ما`,
      `تیغ${zwnj}زن`,
      `گُلِ${zwnj}بَهار`,
      `ده${zwnj}وڵه‌ت`,
    ],
    // Devanagari, Bengali, Malayalam, Sinhala, Kannada, Tamil.
    ...[`शर्${zwj}मा`, `क्${zwj}ष`, `र्${zwnj}य`, `র${zwj}্যাচেল`, `র${zwnj}্যাব`, `അവന്${zwj}`, `ശ്രീ`, `ශ්${zwj}රී`, `ක${zwj}්ක`],
    ...[`ರ${zwj}್ಯ`, `க்${zwnj}ஷ`, `త్${zwnj}య`],
    // Telugu and Oriya RA that keeps its form before a virama.
    ...[`ర${zwj}్య`, `ର${zwj}୍ୟ`],
    // An ideograph with a variation selector; Mongolian.
    ...['葛\u{E0100}城', '辻\uFE00', 'ᠠ\u180Bᠨ', 'ᠨ\u180Eᠠ'],
    // Emoji: skin tones, families, professions, flags, keycaps, and presentations other than the default.
    ...['Ada 🚀', '👋🏾', 'I ❤\uFE0F you', `👩${zwj}💻`, `👨${zwj}👩${zwj}👧${zwj}👦`, `👨🏽${zwj}👩🏽${zwj}👧🏽${zwj}👦🏽`],
    ...[`🏳\uFE0F${zwj}🌈`, `🏳\uFE0F${zwj}⚧\uFE0F`, `🏴${zwj}☠\uFE0F`, `🕵🏻${zwj}♂\uFE0F`, `❤\uFE0F${zwj}🔥`],
    ...[`👁\uFE0F${zwj}🗨\uFE0F`, `🧑🏿${zwj}🦰`, `🙂${zwj}↔\uFE0F`, '1\uFE0F\u20E3', '🇩🇪🇰🇭', '🇽🇰', '🇦🇦', '©\uFE0F'],
    ...['🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}', '⚡\uFE0E', '☎\uFE0E'],
  ];
  test.each(kept)('%j is taken as it is', (text) => {
    for (const [entry, taken] of [...namesOf, ...labelsOf]) expect(taken(text), entry).toBe(text);
  });

  test.each([
    // Joiners without an effect, as keyboards and directories leave them: behind a letter that does not join, at an end, doubled.
    [`محمد${zwnj}رضا`, 'محمدرضا'],
    [`امیر${zwnj}حسین`, 'امیرحسین'],
    [`هێمن ئاواره${zwnj}`, 'هێمن ئاواره'],
    [`ی${zwnj}ء`, 'یء'],
    [`علی${zwnj}${zwnj}رضا`, `علی${zwnj}رضا`],
    [`می${zwj}روم`, 'میروم'],
    [`र्${zwnj}`, 'र्'],
    ['\u200Fمحمد', 'محمد'],
    ['אריאל\u200E', 'אריאל'],
    ['\u202Bنوال\u202C', 'نوال'],
    [`សុខ${zwsp}ជា`, 'សុខជា'],
    // A flag that is not recommended for general interchange (of Texas) is shown as its base.
    ['🏴\u{E0075}\u{E0073}\u{E0074}\u{E0078}\u{E007F}', '🏴'],
    ['🚀\uFE0F', '🚀'],
    [`👩${zwj}${zwj}💻`, `👩${zwj}💻`],
    ['❤\uFE0F\uFE0F', '❤\uFE0F'],
    [`🚀${zwj}`, '🚀'],
    [`${zwj}🚀`, '🚀'],
    ['葛\u{E0100}\u{E0101}', '葛\u{E0100}'],
    ['  Ada\u00A0\u3000 Lovelace\r\n', 'Ada Lovelace'],
    ['Ada\tLovelace', 'Ada Lovelace'],
    ['Ada\u2800Lovelace', 'Ada Lovelace'],
  ])('%j is taken as %j', (text, cleaned) => {
    for (const [entry, taken] of [...namesOf, ...labelsOf]) expect(taken(text), entry).toBe(cleaned);
  });

  const invisible = [
    ...[
      '\0',
      '\x1B',
      '\x7F',
      '\u009B',
      '\u00AD',
      '\u034F',
      '\u061C',
      '\u070F',
      '\u115F',
      '\u1160',
      '\u17B4',
      '\u180B',
      '\u180E',
    ],
    ...[
      zwsp,
      zwnj,
      zwj,
      '\u200E',
      '\u200F',
      '\u202A',
      '\u202E',
      '\u2060',
      '\u2064',
      '\u2066',
      '\u2069',
      '\u206A',
      '\u3164',
    ],
    ...[
      '\uFE00',
      '\uFE0E',
      '\uFE0F',
      '\uFEFF',
      '\uFFA0',
      '\uFFF0',
      '\uFFF9',
      '\uFFFC',
      '\uFFFF',
      '\uFDD0',
      '\uE000',
      '\u{F0000}',
    ],
    ...[
      '\u{13430}',
      '\u{16FE4}',
      '\u{1BC9D}',
      '\u{1BCA0}',
      '\u{1D159}',
      '\u{1D173}',
      '\u{E0001}',
      '\u{E0041}',
      '\u{E007F}',
    ],
    ...['\u{E0100}', '\u{E0FFF}', '\u{10FFFD}'],
  ];
  const codeOf = (character: string) => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
  test.each(invisible.map((character) => [codeOf(character), character]))(
    '%s makes no other name of "Ada", and is no name',
    (_, character) => {
      for (const text of [`Ada${character}`, `${character}Ada`, `A${character}da`, `Ada${character.repeat(3)}`])
        for (const [entry, taken] of [...namesOf, ...labelsOf]) expect(taken(text), entry).toBe('Ada');
      for (const [entry, taken] of namesOf) expect(() => taken(` ${character} `), entry).toThrow('a visible character');
      for (const [entry, taken] of labelsOf) expect(taken(character), entry).toBe('');
    },
  );
  test.each(['', ' ', '\u2800', '\u3000\u00A0', '\t\r\n'])('%j is no name, and an empty label', (blank) => {
    for (const [entry, taken] of namesOf) expect(() => taken(blank), entry).toThrow('a visible character');
    for (const [entry, taken] of labelsOf) expect(taken(blank), entry).toBe('');
    for (const [entry, taken] of namesOf) expect(taken(`Ada${blank}`), entry).toBe('Ada');
  });

  test('is measured after it is cleaned', () => {
    const name = (text: string) => IssueToken.safeParse({ name: text, grants: [] });
    expect(name('a'.repeat(64) + zwsp.repeat(100)).data?.name).toBe('a'.repeat(64));
    expect(firstIssue(name('a'.repeat(65)).error!)).toContain('64');
  });

  test('that is cleaned stays as it is, and has nothing that is removed', () => {
    const joiners = [
      zwj,
      zwnj,
      '\uFE0F',
      '\uFE0E',
      '\uFE00',
      '\u180B',
      '\u180E',
      '\u{E0067}',
      '\u{E007F}',
      '\u{E0100}',
    ];
    const letters = ['م', 'ی', 'د', 'ء', 'َ', 'क', 'र', '्', 'র', '্', 'ක', '්', 'ᠠ', '葛', '1', '\u20E3', 'a', 'é'];
    const anyText = fc.string({
      unit: fc.oneof(
        { arbitrary: fc.constantFrom(...joiners), weight: 4 },
        { arbitrary: fc.constantFrom(...letters, '🚀', '👩', '❤', '🏽', '🏴', '🇩'), weight: 4 },
        fc.constantFrom(...invisible, ' ', '\u2800', '\n', '\u2028', '\u3000'),
        fc.constantFrom(...kept),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      ),
      maxLength: 60,
    });
    // Invisible characters that are kept in some places, and never at the beginning, behind a blank or behind one another but for emoji.
    const inPlaces = new RegExp(
      String.raw`[\u200C\u200D\u180B-\u180F\uFE00-\uFE02\uFE0E\uFE0F\u{E0062}-\u{E007F}\u{E0100}-\u{E01EF}]`,
      'u',
    );
    const never = /[\p{Cc}\p{Co}\p{Noncharacter_Code_Point}\p{Bidi_Control}\u2800\u{1D159}]|(?! )\p{Z}|^ | $| {2}/u;
    fc.assert(
      fc.property(anyText, (text) => {
        const cleaned = cleanText(text);
        expect(cleanText(cleaned)).toBe(cleaned);
        expect(cleaned).not.toMatch(never);
        for (const [character] of cleaned.matchAll(/\p{Default_Ignorable_Code_Point}/gu))
          expect(character).toMatch(inPlaces);
        expect(cleaned).not.toMatch(/(?:^| )\p{Default_Ignorable_Code_Point}/u);
        expect(cleaned).not.toMatch(/\u200C[\p{Default_Ignorable_Code_Point} ]|\u200C$/u);
      }),
      { numRuns: 2000 },
    );
  });

  test('of a megabyte of invisible characters is cleaned in one pass', () => {
    expect(cleanText(`A${`\u0301${zwj}${zwnj}`.repeat(300_000)}`)).toBe(`A${'\u0301'.repeat(300_000)}`);
  });

  test('of an earlier version is still read, and not changed', () => {
    const participant = { id: 'pt_a', userId: 'ada', name: 'Ada\u200B', joinedAt: 1, grants: [] };
    expect(Participant.parse(participant)).toMatchObject({ name: 'Ada\u200B' });
    const label = 'Screen\u200B';
    const part = { kind: 'streams', streams: [{ ...stream, label }] };
    expect(NegotiationEvent.parse(part)).toEqual(part);
    const { id, ...rest } = { ...stream, id: stream.publicationId, participantId: 'pt_a', label };
    expect(Publication.parse({ ...rest, id, codec: 'audio/opus', producerId: 'p' })).toMatchObject({ label });
  });
});
