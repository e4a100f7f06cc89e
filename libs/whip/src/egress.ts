import {
  FlotillaError,
  type Participant,
  type Publication,
  type ReplyPayload,
  type Subscription,
} from '@flotilla/contracts';
import { isRtx, isSameCodec } from './codecs.ts';
import type { ClientDescription, Section } from './description.ts';
import { FleetSession, type FleetSessionOptions } from './fleet-session.ts';
import { requireClientRole, withoutMedia } from './ingest.ts';
import { endWithMedia, type Opened } from './opened.ts';
import { planPlay } from './play-capabilities.ts';
import { Problem } from './problem.ts';
import { type ServerSection, writeDescription } from './server-description.ts';

/** What a WHEP player asks for in the URL. */
export interface PlayRequest {
  /** Id of a participant or of its user. Default: the one who joined last of those who publish video, or else audio. */
  readonly participant: string | undefined;
  /** No counter-offer. */
  readonly answerInAnyCase: boolean;
}

/** Seconds in `Retry-After` while nothing is published. */
const retryWithoutPublicationSeconds = '2';
/** Pages of a large room that are read for a publication. */
const maxPages = 20;
/** Pauses before a failed subscription to a replaced producer is requested again, in milliseconds. */
const retryPausesMs = [100, 300, 1000, 3000] as const;

/**
 * Subscribes to a participant's audio and video for a WHEP player.
 * @throws Problem, or FlotillaError with the reason of the fleet.
 */
export async function openEgress(
  offer: ClientDescription,
  request: PlayRequest,
  options: FleetSessionOptions,
): Promise<Opened> {
  requireClientRole(offer);
  for (const { kind, direction } of offer.sections)
    if (direction !== 'recvonly' && direction !== 'sendrecv')
      throw new Problem(422, `the section of ${kind} is not recvonly or sendrecv (WHEP, playback session setup)`);
  const { session, joined } = await FleetSession.join(options, false);
  try {
    if (joined.snapshot.mediaMode === 'peer') throw withoutMedia('peer', 'subscribe');
    const pairs = await publicationsFor(offer.sections, request.participant, session, joined);
    const fleet = session.welcome.rtpCapabilities ?? {};
    const { kind, rtpCapabilities } = planPlay(pairs, fleet, request.answerInAnyCase);
    const opened = await session.request('open_media', { rtpCapabilities, subscribe: false });
    const { recv, iceServers = joined.iceServers ?? [] } = opened;
    session.nodeId = opened.nodeId;
    const publicationIds = pairs.map(([, { id }]) => id);
    const current = new Set(publicationIds);
    const producers = new Map<string, string>();
    endWithMedia(session, {
      grant: 'subscribe',
      transportId: recv.id,
      publicationIds: current,
      onReplaced: (id, producerId) => {
        if (producers.get(id) === producerId) return;
        producers.set(id, producerId);
        void subscribeAgain(session, id, () => current.has(id) && producers.get(id) === producerId);
      },
    });
    const { subscriptions } = await subscribe(session, publicationIds);
    for (const { publicationId, producerId } of subscriptions) producers.set(publicationId, producerId);
    const connect = ({ dtlsParameters }: ClientDescription): Promise<unknown> =>
      session.request('connect_transport', { transportId: recv.id, dtlsParameters });
    const found = pairs.map(([section, { id }]) => ({
      section,
      subscription: subscriptions.find(({ publicationId }) => publicationId === id)!,
    }));
    const common = { session, transport: recv, iceServers };
    if (kind === 'answer') {
      await connect(offer);
      const sections = offer.sections.map((section) => answerSection(section, found, fleet.codecs ?? []));
      return { ...common, mid: sections[0]!.mid, description: writeDescription('answer', recv, sections) };
    }
    const sections = found.map(({ section, subscription: { rtpParameters } }, index) => ({
      kind: section.kind,
      mid: String(index),
      direction: 'sendonly' as const,
      rtpParameters,
    }));
    const accept = async (answer: ClientDescription): Promise<void> => {
      checkAnswer(answer, sections);
      await connect(answer);
    };
    return { ...common, mid: '0', description: writeDescription('offer', recv, sections), accept };
  } catch (error) {
    session.end('closed');
    throw error;
  }
}

/** Subscribes to all of the publications, and resumes what begins paused. */
async function subscribe(
  session: Pick<FleetSession, 'request'>,
  publicationIds: string[],
): Promise<ReplyPayload<'subscribe'>> {
  const reply = await session.request('subscribe', { publicationIds });
  const [failure] = reply.failed;
  if (failure?.error.code === 'PUBLICATION_NOT_FOUND') throw nothingPublished();
  if (failure) throw new FlotillaError(failure.error.code, failure.error.message);
  const paused = reply.subscriptions.filter((each) => each.paused).map(({ publicationId }) => publicationId);
  if (paused.length > 0) await session.request('update_subscriptions', { publicationIds: paused, paused: false });
  return reply;
}

/**
 * Subscribes to a publication whose producer was replaced, with further attempts. Ends the session when the last one fails.
 *
 * @param isCurrent false when the publication has ended, or has yet another producer.
 */
export async function subscribeAgain(
  session: Pick<FleetSession, 'request' | 'ended' | 'end'>,
  publicationId: string,
  isCurrent: () => boolean,
): Promise<void> {
  for (let attempt = 0; !session.ended && isCurrent(); attempt++) {
    try {
      await subscribe(session, [publicationId]);
      return;
    } catch {
      const pauseMs = retryPausesMs[attempt];
      if (pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      else if (isCurrent()) return session.end('subscription_failed');
      else return;
    }
  }
}

const nothingPublished = (): Problem =>
  new Problem(409, 'nothing is published that this player asks for', {
    'retry-after': retryWithoutPublicationSeconds,
  });

/** The sections of an offer with the publications for them. */
async function publicationsFor(
  sections: readonly Section[],
  participant: string | undefined,
  session: FleetSession,
  { snapshot }: ReplyPayload<'join'>,
): Promise<(readonly [Section, Publication])[]> {
  const pages: { participants: readonly Participant[]; publications: readonly Publication[] }[] = [snapshot];
  for (let { next } = snapshot; next !== undefined && pages.length < maxPages;) {
    const page = await session.request('list_participants', { cursor: next });
    pages.push(page);
    ({ next } = page);
  }
  const publications = choosePublications(
    pages.flatMap((page) => page.participants),
    pages.flatMap((page) => page.publications),
    participant,
  );
  const pairs = sections.flatMap((section) => {
    const publication = section.rejected ? undefined : publications.find(({ kind }) => kind === section.kind);
    return publication ? [[section, publication] as const] : [];
  });
  if (pairs.length === 0) throw nothingPublished();
  return pairs;
}

/** The publications of one participant. */
export function choosePublications(
  participants: readonly Pick<Participant, 'id' | 'userId'>[],
  publications: readonly Publication[],
  wanted: string | undefined,
): Publication[] {
  const candidates = publications.filter(
    ({ participantId }) =>
      wanted === undefined ||
      participants.some(({ id, userId }) => id === participantId && (id === wanted || userId === wanted)),
  );
  const lead = candidates.findLast(({ kind }) => kind === 'video') ?? candidates.at(-1);
  return candidates.filter(({ participantId }) => participantId === lead?.participantId);
}

/** The section of an answer. One without a publication is inactive. */
function answerSection(
  section: Section,
  found: readonly { readonly section: Section; readonly subscription: Subscription }[],
  fleet: readonly Parameters<typeof isSameCodec>[1][],
): ServerSection {
  const { kind, mid } = section;
  const subscription = found.find((each) => each.section === section)?.subscription;
  if (subscription) return { kind, mid, direction: 'sendonly', rtpParameters: subscription.rtpParameters };
  const codec =
    section.codecs.find((each) => fleet.some((other) => isSameCodec(each, other))) ??
    section.codecs.find((each) => !isRtx(each));
  if (!codec) throw new Problem(422, `the section of ${kind} has no codec`);
  return { kind, mid, direction: 'inactive', rtpParameters: { codecs: [{ ...codec, rtcpFeedback: [] }] } };
}

/** An answer to a counter-offer takes all of its sections: there is no partial success. */
function checkAnswer({ sections, setup }: ClientDescription, offered: readonly ServerSection[]): void {
  if (setup === 'actpass') throw new Problem(422, 'an answer has a=setup:active or passive (RFC 5763, section 5)');
  const accepts = ({ kind, mid }: ServerSection, index: number): boolean => {
    const answer = sections[index];
    return answer?.kind === kind && answer.mid === mid && !answer.rejected && answer.direction === 'recvonly';
  };
  if (sections.length !== offered.length || !offered.every(accepts))
    throw new Problem(422, 'the answer does not accept all sections of the counter-offer');
}
