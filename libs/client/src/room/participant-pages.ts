import {
  compareOffsets,
  type ErrorCode,
  FlotillaError,
  type Offset,
  type Participant,
  type Publication,
  type ReplyPayload,
  type RoomEventPayload,
  type RoomEventType,
  type RoomSnapshot,
} from '@flotilla/contracts';

/** Pause between two pages, in milliseconds: listing takes half of the session's limit of requests at most. */
const pagePauseMs = 100;
/** The longest pause after a failed request, in milliseconds. */
const maxPauseMs = 5000;

/** Errors after which the other pages cannot be read. */
const finalErrors: ReadonlySet<ErrorCode> = new Set(['NOT_IN_ROOM', 'ROOM_NOT_FOUND', 'FORBIDDEN', 'BAD_PAYLOAD']);

type Page = Pick<ReplyPayload<'list_participants'>, 'participants' | 'publications' | 'offset'>;

/** The state that the pages are added to. */
interface PagedState {
  readonly isOpen: boolean;
  request(type: 'list_participants', payload: { cursor: string }): Promise<ReplyPayload<'list_participants'>>;
  applyPage(page: Pick<Page, 'participants' | 'publications'>, keep: (publicationId: string) => boolean): void;
  retainParticipants(present: ReadonlySet<string>): void;
}

/** An event of the room's stream. */
export type StreamEvent = {
  [T in RoomEventType]: { readonly seq: Offset; readonly type: T; readonly payload: RoomEventPayload<T> };
}[RoomEventType];

/** The listing of the participants after a snapshot. */
interface Listing {
  readonly keep: (publicationId: string) => boolean;
  /** Participants that are in the room for sure: of the snapshot, of a page, or joined since. */
  readonly confirmed: Set<string>;
  /** Events since the last page was requested: a page is at least as new as the first of them. */
  recent: StreamEvent[];
}

/**
 * Lists the participants that a snapshot leaves out, page by page. Events arrive meanwhile, and a page may be older or newer than the
 * last of them: events that a page does not contain are applied to it first, and those that it contains already change nothing
 * when they arrive.
 */
export class ParticipantPages {
  readonly #state: PagedState;
  #listing: Listing | undefined;

  constructor(state: PagedState) {
    this.#state = state;
  }

  /** Begins after a snapshot, in place of an earlier listing. @param keep publications that are kept although they are not listed. */
  start({ participants, next }: RoomSnapshot, keep: Listing['keep']): void {
    this.#listing = undefined;
    if (next === undefined) return;
    const listing = { keep, confirmed: new Set(participants.map(({ id }) => id)), recent: [] };
    this.#listing = listing;
    void this.#list(listing, next);
  }

  /** Whether participants are still to be listed. */
  get isListing(): boolean {
    return this.#listing !== undefined;
  }

  /** Takes note of an event of the room. */
  note(event: StreamEvent): void {
    const listing = this.#listing;
    if (!listing) return;
    listing.recent.push(event);
    if (event.type === 'participant_joined') listing.confirmed.add(event.payload.participant.id);
  }

  async #list(listing: Listing, first: string): Promise<void> {
    const isCurrent = (): boolean => this.#listing === listing && this.#state.isOpen;
    let failures = 0;
    let cursor: string | undefined = first;
    while (cursor !== undefined) {
      listing.recent = [];
      try {
        const page: ReplyPayload<'list_participants'> = await this.#state.request('list_participants', { cursor });
        if (!isCurrent()) return;
        this.#apply(listing, page);
        cursor = page.next;
        failures = 0;
      } catch (error) {
        if (!isCurrent()) return;
        if (finalErrors.has(FlotillaError.from(error).code)) break;
        failures++;
      }
      if (cursor !== undefined) await pause(Math.min(pagePauseMs * 2 ** failures, maxPauseMs));
      if (!isCurrent()) return;
    }
    this.#listing = undefined;
    // Those that left while events were missed.
    if (cursor === undefined) this.#state.retainParticipants(listing.confirmed);
  }

  #apply({ keep, confirmed, recent }: Listing, page: Page): void {
    const current = afterEvents(page, recent);
    for (const { id } of current.participants) confirmed.add(id);
    this.#state.applyPage(current, keep);
  }
}

/** A page as it is after the events that it does not contain. Participants that joined by these events are not added. */
export function afterEvents(
  page: Page,
  events: readonly StreamEvent[],
): { participants: Participant[]; publications: Publication[] } {
  const participants = new Map(page.participants.map((each) => [each.id, each]));
  const publications = new Map(page.publications.map((each) => [each.id, each]));
  const change = (id: string, changes: Partial<Participant>): void => {
    const known = participants.get(id);
    if (known) participants.set(id, { ...known, ...changes });
  };
  for (const { seq, type, payload } of events) {
    if (compareOffsets(seq, page.offset) <= 0) continue;
    switch (type) {
      case 'participant_left':
        participants.delete(payload.participantId);
        for (const { id, participantId } of [...publications.values()])
          if (participantId === payload.participantId) publications.delete(id);
        break;
      case 'participant_connection':
        change(payload.participantId, { connection: payload.connection });
        break;
      case 'grants_changed':
        change(payload.participantId, { grants: payload.grants });
        break;
      case 'publication_added':
      case 'publication_updated':
        if (participants.has(payload.publication.participantId))
          publications.set(payload.publication.id, payload.publication);
        break;
      case 'publication_removed':
        publications.delete(payload.publicationId);
        break;
      default:
    }
  }
  return { participants: [...participants.values()], publications: [...publications.values()] };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
