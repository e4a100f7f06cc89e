import {
  type MediaSessionParameters,
  newId,
  type Participant,
  type Publication,
  type Subscription,
} from '@flotilla/contracts';
import { Emitter } from '../../src/room/emitter.ts';
import type { RoomEvents } from '../../src/room/room-events.ts';
import { RoomMedia } from '../../src/room/room-media.ts';
import { RoomState } from '../../src/room/room-state.ts';
import { FakeDevice, FakeStream, FakeTrack } from './fake-media.ts';
import { FakeSession } from './fake-session.ts';

Object.assign(globalThis, { MediaStream: FakeStream });

export const participant = (name: string): Participant => ({
  id: newId('participant'),
  userId: `us_${name}`,
  name,
  joinedAt: 0,
  connection: 'connected',
  grants: ['publish', 'subscribe', 'data'],
});

export const track = (id = 'local', kind: 'audio' | 'video' = 'audio'): MediaStreamTrack =>
  new FakeTrack(id, kind) as unknown as MediaStreamTrack;

export const publicationOf = (participantId: string, producerId = newId('publication')): Publication => ({
  id: newId('publication'),
  participantId,
  kind: 'audio',
  source: 'microphone',
  codec: 'audio/opus',
  muted: false,
  producerId,
});

export const subscriptionTo = (
  { id, producerId, kind }: Publication,
  consumerId = `c ${producerId}`,
): Subscription => ({
  publicationId: id,
  consumerId,
  producerId,
  kind,
  rtpParameters: { codecs: [] },
  type: 'simple',
  paused: false,
});

export const mediaOn = (nodeId: string, subscriptions: Subscription[] = []): MediaSessionParameters =>
  ({
    nodeId,
    send: { id: `${nodeId} send` },
    recv: { id: `${nodeId} recv`, iceCandidates: [{ protocol: 'udp', address: '192.0.2.1', port: 40000 }] },
    subscriptions,
  }) as unknown as MediaSessionParameters;

/** A room with one other participant, joined on the node `old`, over a session whose answers the test gives. */
export async function joinedRoom(options: { subscribe?: boolean } = {}) {
  const events = new Emitter<RoomEvents>();
  const state = new RoomState({ token: '', room: 'room', ...options }, events);
  const session = new FakeSession();
  const device = new FakeDevice();
  const media = new RoomMedia(state);
  const [me, other] = [participant('me'), participant('other')];
  state.session = session as unknown as RoomState['session'];
  state.device = device as unknown as RoomState['device'];
  state.me = me;
  const room = { id: newId('room'), name: 'room' } as NonNullable<RoomState['info']>;
  media.start('sfu');
  state.applySnapshot(
    { room, mediaMode: 'sfu', participants: [me, other], publications: [], offset: '0-0' },
    () => false,
  );
  await media.use(mediaOn('old'));
  const record = <K extends keyof RoomEvents>(name: K): RoomEvents[K][] => {
    const list: RoomEvents[K][] = [];
    events.on(name, (...args) => void list.push(args));
    return list;
  };
  /** Announces a publication of the other participant. */
  const announce = (publication = publicationOf(other.id)): Publication => {
    state.putPublication(publication);
    return publication;
  };
  return { state, session, device, media, me, other, record, announce };
}

/** Answers `publish` as a server does. */
export function published(payload: Record<string, unknown>, participantId: string): { publication: Publication } {
  const { publicationId, kind, source, muted } = payload as unknown as Publication & { publicationId: string };
  return {
    publication: {
      id: publicationId,
      participantId,
      kind,
      source,
      codec: 'audio/opus',
      muted,
      producerId: newId('publication'),
    },
  };
}
