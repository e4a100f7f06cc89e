import { Grant, Member, PublicationRecord } from '@flotilla/contracts';
import { testParser } from '@flotilla/testkit/fuzz';
import { expect } from 'vitest';
import { parseGrants } from '../src/redis/grants-text.ts';
import { parseMembers, parsePublications } from '../src/redis/room-records.ts';

const member = { id: 'pt_z', userId: 'zoe', name: 'Zoe', joinedAt: 1, roomId: 'rm_a', sessionId: 'ss_z' };
const known = `nd_a - publish,data ${JSON.stringify(member)}`;
const common = { outcomes: ['accepted', 'skipped'], maxBytes: 16_384, json: true };

testParser('member of a room in Redis', new URL('corpus/member/', import.meta.url), {
  ...common,
  words: ['nd_a', 'pt_a', 'ss_a', 'publish', 'subscribe', 'bitrate=', ',', ' '],
  outcomeOf: (input) => {
    // A record that cannot be read hides no other.
    const members = parseMembers([input.toString(), known], []);
    expect(members.at(-1)).toMatchObject({ id: 'pt_z', grants: ['publish', 'data'] });
    const [read, ...others] = members;
    if (others.length === 0) return 'skipped';
    expect(Member.parse(read)).toEqual(read);
    return 'accepted';
  },
});

testParser('publication in Redis', new URL('corpus/publication/', import.meta.url), {
  ...common,
  words: ['nd_a', 'pub_a', 'video', 'camera', ' '],
  outcomeOf: (input) => {
    const [publication] = parsePublications([input.toString()]);
    if (!publication) return 'skipped';
    expect(PublicationRecord.parse(publication)).toEqual(publication);
    return 'accepted';
  },
});

testParser('grants in Redis', new URL('corpus/grants/', import.meta.url), {
  ...common,
  json: false,
  words: [...Grant.options, 'bitrate=', 'bitrate=1e3', ','],
  outcomeOf: (input) => {
    const { grants, maxPublishBitrate } = parseGrants(input.toString(), Grant.options);
    expect(new Set(grants).size).toBe(grants.length);
    if (maxPublishBitrate !== undefined) expect(maxPublishBitrate).toBeGreaterThanOrEqual(0);
    return grants.length === 0 ? 'skipped' : 'accepted';
  },
});
