import type { Publication } from '@flotilla/contracts';
import { describe, expect, test } from 'vitest';
import { readDescription } from '../src/description.ts';
import { choosePublications } from '../src/egress.ts';
import { planPlay } from '../src/play-capabilities.ts';
import { fleet } from './fleet.ts';
import { chromiumOffer } from './offers.ts';

const publication = (id: string, participantId: string, kind: 'audio' | 'video', codec: string): Publication => ({
  id: `pub_${id}`,
  participantId,
  kind,
  source: 'other',
  codec,
  muted: false,
  producerId: `producer-${id}`,
});

function plan(offer: string, codec: string, answerInAnyCase = false) {
  const { sections } = readDescription(offer);
  const pairs = [
    [sections[0]!, publication('a', 'pt_a', 'audio', 'audio/opus')],
    [sections[1]!, publication('v', 'pt_a', 'video', codec)],
  ] as const;
  return planPlay(pairs, fleet, answerInAnyCase);
}
const idsOf = ({ rtpCapabilities }: ReturnType<typeof planPlay>): number[] =>
  rtpCapabilities.headerExtensions!.map(({ preferredId }) => preferredId);
const typesOf = ({ rtpCapabilities }: ReturnType<typeof planPlay>): number[] =>
  rtpCapabilities.codecs!.map(({ preferredPayloadType }) => preferredPayloadType!);

describe('the plan for a WHEP player', () => {
  test('is a counter-offer when an extension for feedback has another id, with everything but media and stream ids', () => {
    const countered = plan(chromiumOffer('recvonly'), 'video/VP8');
    expect(countered.kind).toBe('counter-offer');
    expect(typesOf(countered)).toEqual([111, 96, 100]);
    expect(idsOf(countered)).toEqual([5, 5]);
  });

  test('is an answer when the numbers are the same, with the extensions and retransmissions whose numbers are', () => {
    const answered = plan(chromiumOffer('recvonly').replaceAll('extmap:3', 'extmap:5'), 'video/H264');
    expect(answered.kind).toBe('answer');
    expect(typesOf(answered)).toEqual([111, 108]);
    expect(idsOf(answered)).toEqual([5, 5]);
  });

  test('is an answer without extensions for feedback when the player wants one in any case', () => {
    const answered = plan(chromiumOffer('recvonly'), 'video/VP8', true);
    expect(answered.kind).toBe('answer');
    expect(idsOf(answered)).toEqual([]);
  });

  test('is refused when the offer does not have the codec of the publication', () => {
    expect(() => plan(chromiumOffer('recvonly'), 'video/AV1')).toThrow(expect.objectContaining({ status: 422 }));
  });
});

describe('the choice of publications', () => {
  const participants = [
    { id: 'pt_a', userId: 'ada' },
    { id: 'pt_b', userId: 'bob' },
    { id: 'pt_c', userId: 'cleo' },
  ] as unknown as Parameters<typeof choosePublications>[0];
  const publications = [
    publication('1', 'pt_a', 'video', 'video/VP8'),
    publication('2', 'pt_b', 'audio', 'audio/opus'),
    publication('3', 'pt_b', 'video', 'video/VP8'),
    publication('4', 'pt_c', 'audio', 'audio/opus'),
  ];
  const choose = (wanted?: string) => choosePublications(participants, publications, wanted).map(({ id }) => id);

  test('is the last participant with video, or the one that is named by id or user', () => {
    expect(choose()).toEqual(['pub_2', 'pub_3']);
    expect(choose('pt_a')).toEqual(['pub_1']);
    expect(choose('cleo')).toEqual(['pub_4']);
    expect(choose('nobody')).toEqual([]);
  });
});
