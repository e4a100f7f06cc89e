import { type Participant, type Publication, type ReplyPayload, type RoomSnapshot } from '@flotilla/contracts';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RoomMetadata } from '../src/metadata/room-metadata.ts';
import { roomEventHandler } from '../src/room/event-handlers.ts';
import { afterEvents, type StreamEvent } from '../src/room/participant-pages.ts';
import type { RoomState } from '../src/room/room-state.ts';
import type { FakeSession, SentRequest } from './kit/fake-session.ts';
import { joinedRoom, participant, publicationOf } from './kit/joined-room.ts';

const pageSize = 3;

/** The members of a room with their publications, by id, without what changes by itself. */
type Members = Record<string, { connection: string; grants: string; publications: Record<string, boolean> }>;

/** A room as the store keeps it: members in the order of their joins, and the stream of their events. */
class ModelRoom {
  readonly members = new Map<
    string,
    { position: number; participant: Participant; publications: Map<string, Publication> }
  >();
  readonly stream: StreamEvent[] = [];
  #lastPosition = 0;

  constructor(readonly me: Participant) {
    this.join(me);
  }

  #append(type: StreamEvent['type'], payload: object): void {
    this.stream.push({ seq: `${this.stream.length + 1}-0`, type, payload } as StreamEvent);
  }

  get offset(): string {
    return `${this.stream.length}-0`;
  }

  join(joined: Participant): void {
    const publications = new Map<string, Publication>();
    this.members.set(joined.id, { position: ++this.#lastPosition, participant: joined, publications });
    this.#append('participant_joined', { participant: joined });
  }

  /** Changes the n-th of the other members. Those that left join again with their id. */
  change(kind: number, n: number, known: readonly Participant[]): void {
    const others = [...this.members.values()].filter(({ participant: { id } }) => id !== this.me.id);
    const chosen = others[n % Math.max(others.length, 1)];
    const absent = known.filter(({ id }) => !this.members.has(id));
    if (kind <= 1 || !chosen) {
      if (absent.length > 0) this.join({ ...absent[n % absent.length]!, grants: ['publish', 'subscribe'] });
      return;
    }
    const { participant: member, publications } = chosen;
    const { id: participantId } = member;
    const publication = [...publications.values()][0];
    if (kind === 2) {
      this.members.delete(participantId);
      this.#append('participant_left', { participantId, reason: 'left', publicationIds: [...publications.keys()] });
    } else if (kind === 3) {
      const connection = member.connection === 'connected' ? 'reconnecting' : 'connected';
      chosen.participant = { ...member, connection };
      this.#append('participant_connection', { participantId, connection });
    } else if (kind === 4) {
      const grants: Participant['grants'] = n % 2 ? ['publish', 'data'] : ['publish'];
      chosen.participant = { ...member, grants };
      this.#append('grants_changed', { participantId, grants });
    } else if (kind === 5 || !publication) {
      const added = publicationOf(participantId);
      publications.set(added.id, added);
      this.#append('publication_added', { publication: added });
    } else if (kind === 6) {
      const changed = { ...publication, muted: !publication.muted };
      publications.set(changed.id, changed);
      this.#append('publication_updated', { publication: changed });
    } else {
      publications.delete(publication.id);
      this.#append('publication_removed', { participantId, publicationId: publication.id });
    }
  }

  /** The members behind a cursor; `own` is left out and appended. */
  page(cursor: string, own?: Participant): ReplyPayload<'list_participants'> {
    const following = [...this.members.values()].filter(
      ({ position, participant: { id } }) => position > Number(cursor) && id !== own?.id,
    );
    const listed = following.slice(0, pageSize);
    const publications = listed.flatMap((each) => [...each.publications.values()]);
    const participants = [...listed.map((each) => each.participant), ...(own ? [own] : [])];
    const isLast = listed.length === following.length;
    return { participants, publications, offset: this.offset, ...(!isLast && { next: `${listed.at(-1)!.position}` }) };
  }

  snapshot(): Omit<RoomSnapshot, 'room'> {
    return { mediaMode: 'sfu', ...this.page('0', this.me) };
  }

  get others(): Members {
    const others = [...this.members.values()].filter(({ participant: { id } }) => id !== this.me.id);
    return Object.fromEntries(
      others.map(({ participant: { id, connection, grants }, publications }) => [
        id,
        {
          connection,
          grants: grants.join(),
          publications: Object.fromEntries([...publications.values()].map((each) => [each.id, each.muted])),
        },
      ]),
    );
  }
}

const shown = (state: RoomState): Members =>
  Object.fromEntries(
    [...state.participants.values()].map(({ id, connection, grants, publications }) => [
      id,
      {
        connection,
        grants: grants.join(),
        publications: Object.fromEntries([...publications.values()].map((each) => [each.id, each.muted])),
      },
    ]),
  );

const requests = (session: FakeSession): SentRequest[] => session.of('list_participants');

/** A client in a model room: the test decides when events arrive, when the server reads a page and when its reply arrives. */
async function modelClient(known: readonly Participant[]) {
  const { state, session, media, me } = await joinedRoom({ subscribe: false });
  const room = new ModelRoom(me);
  const onEvent = roomEventHandler(state, media, new RoomMetadata(state, media.sfu.links));
  let received = 0;
  let answered = 0;
  const read = new Map<SentRequest, ReplyPayload<'list_participants'>>();
  const outstanding = (): SentRequest | undefined => requests(session)[answered];
  const steps = {
    change: (kind: number, n: number) => room.change(kind, n, known),
    receive: (count: number) => {
      for (; count > 0 && received < room.stream.length; count--, received++) {
        const { seq, type, payload } = room.stream[received]!;
        onEvent({ seq, type, payload, from: 'system', to: `room:${state.info!.id}`, routedAt: 0 });
      }
    },
    /** The server reads the page of the request in flight. */
    read: () => {
      const request = outstanding();
      if (request && !read.has(request)) read.set(request, room.page(request.payload['cursor'] as string));
    },
    reply: async () => {
      const request = outstanding();
      const page = request && read.get(request);
      if (!page) return;
      answered++;
      request.reply(page);
      await vi.advanceTimersByTimeAsync(0);
    },
    fail: async () => {
      if (!outstanding()) return;
      requests(session)[answered++]!.fail('UNAVAILABLE');
      await vi.advanceTimersByTimeAsync(0);
    },
    wait: () => vi.advanceTimersByTimeAsync(200),
    /** A join, or a resume after which events up to now are lost. A request in flight stays without an answer. */
    snapshot: () => {
      received = room.stream.length;
      state.applySnapshot({ room: state.info!, ...room.snapshot() }, () => false);
      answered = requests(session).length - (state.pages.isListing ? 1 : 0);
    },
    /** Until all pages and events have arrived. */
    finish: async () => {
      while (state.pages.isListing) {
        steps.read();
        await steps.reply();
        await vi.advanceTimersByTimeAsync(5000);
      }
      steps.receive(Infinity);
    },
  };
  return { state, session, room, steps };
}

describe('the participants of a room', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('are those of the server in the end, however events and pages interleave and whatever snapshots come in between', async () => {
    const known = Array.from({ length: 12 }, (_, index) => participant(`p${index}`));
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant('change' as const), fc.nat(7), fc.nat(11)) },
      { weight: 3, arbitrary: fc.tuple(fc.constant('receive' as const), fc.integer({ min: 1, max: 6 })) },
      { weight: 4, arbitrary: fc.tuple(fc.constant('read' as const)) },
      { weight: 4, arbitrary: fc.tuple(fc.constant('reply' as const)) },
      { weight: 3, arbitrary: fc.tuple(fc.constant('wait' as const)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('fail' as const)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('snapshot' as const)) },
    );
    const initially = fc.array(fc.tuple(fc.constantFrom(0, 0, 5, 3), fc.nat(11)), { minLength: 4, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(initially, fc.array(step, { maxLength: 80 }), async (changes, steps) => {
        const client = await modelClient(known);
        for (const [kind, n] of changes) client.steps.change(kind, n);
        client.steps.snapshot();
        for (const [name, ...args] of steps) {
          const take: (...of: number[]) => unknown = client.steps[name];
          await take(...args);
        }
        await client.steps.finish();
        expect(shown(client.state)).toEqual(client.room.others);
        client.state.close(undefined);
        vi.clearAllTimers();
      }),
      { numRuns: 300 },
    );
  });

  test('of a room of one page need no request', async () => {
    const { steps, session, state } = await modelClient([]);
    steps.snapshot();
    await vi.advanceTimersByTimeAsync(1000);
    expect(requests(session)).toEqual([]);
    expect(state.pages.isListing).toBe(false);
  });

  test('of a large room are requested one page after another, each with an event for its participants', async () => {
    const known = Array.from({ length: 10 }, (_, index) => participant(`p${index}`));
    const { steps, session, state } = await modelClient(known);
    for (let count = 0; count < known.length; count++) steps.change(0, 0);
    const sizes: number[] = [];
    steps.snapshot();
    sizes.push(state.participants.size);
    while (state.pages.isListing) {
      expect(requests(session).filter(({ payload }) => payload['cursor'] === undefined)).toEqual([]);
      steps.read();
      await steps.reply();
      sizes.push(state.participants.size);
      await steps.wait();
    }
    // The first page also had a participant that is not in the room any more, which is removed at the end.
    expect(sizes).toEqual([4, 7, 10, 10]);
    expect(requests(session)).toHaveLength(3);
  });

  test.each(['NOT_IN_ROOM', 'FORBIDDEN'] as const)('are not requested any more after %s', async (code) => {
    const known = Array.from({ length: 10 }, (_, index) => participant(`p${index}`));
    const { steps, session, state } = await modelClient(known);
    for (let count = 0; count < known.length; count++) steps.change(0, 0);
    steps.snapshot();
    requests(session)[0]!.fail(code);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(requests(session)).toHaveLength(1);
    expect(state.pages.isListing).toBe(false);
  });
});

test('afterEvents leaves a participant out that left after the page was read, and keeps one that left before', () => {
  const [one, other] = [participant('one'), participant('other')];
  const page = { participants: [one, other], publications: [publicationOf(other.id)], offset: '5-0' };
  const left = (seq: string, participantId: string): StreamEvent => ({
    seq,
    type: 'participant_left',
    payload: { participantId, reason: 'left', publicationIds: [] },
  });
  expect(afterEvents(page, [left('5-0', one.id), left('6-0', other.id)])).toEqual({
    participants: [one],
    publications: [],
  });
});
