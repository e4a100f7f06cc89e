import type { RemotePublication, Room } from '@flotilla/client';
import type { LocalView } from './media-controls.ts';
import { isMuted, type RoomWatcher } from './room-watcher.ts';
import { boxesTopic } from './shapes/boxes.ts';

/** A stream for a media element. */
export interface Playable {
  /** Identifies the media element that plays it. */
  readonly key: string;
  readonly stream: MediaStream;
  /** Changes when the track of the stream is replaced. */
  readonly trackId: string | undefined;
  /** Undefined for local media. */
  readonly publicationId?: string;
  /** Receives what an element shows, until the result is called. Undefined for local media. */
  readonly adaptTo?: (element: HTMLElement) => () => void;
}

export interface PersonTile {
  readonly id: string;
  readonly name: string;
  readonly me: boolean;
  readonly picture: Playable | undefined;
  readonly mirrored: boolean;
  /** The publisher sends boxes for the frames. */
  readonly boxed: boolean;
  readonly muted: boolean;
  readonly speaking: boolean;
  readonly active: boolean;
  /** The participant's connection dropped and may resume. */
  readonly reconnecting: boolean;
  readonly quality: number | undefined;
  /** The server has paused its video because the downlink is too narrow. */
  readonly limited: boolean;
}

export interface ScreenTile {
  readonly id: string;
  readonly name: string;
  readonly me: boolean;
  readonly reconnecting: boolean;
  readonly picture: Playable;
  /** As of a person. */
  readonly limited: boolean;
}

export function people(room: Room, watcher: RoomWatcher, local: LocalView): PersonTile[] {
  const { microphone, camera } = local;
  const persons = [...room.participants.values()].filter(({ isRecording }) => !isRecording);
  const isSpeaking = (id: string, muted: boolean): boolean => !muted && watcher.speakers.has(id);
  const isActive = (id: string): boolean => watcher.activeSpeaker === id && persons.length > 1;
  const own: PersonTile = {
    id: room.me.id,
    name: room.me.name,
    me: true,
    picture: camera.on && camera.stream ? playableOwn(camera.stream) : undefined,
    mirrored: !camera.facesAway,
    boxed: false,
    muted: !microphone.on,
    speaking: isSpeaking(room.me.id, !microphone.on),
    active: false,
    reconnecting: false,
    quality: undefined,
    limited: false,
  };
  const others = persons.map((participant): PersonTile => {
    const { id, name } = participant;
    const reconnecting = participant.connection === 'reconnecting';
    const muted = isMuted(participant);
    const video = participant.find('camera');
    return {
      id,
      name,
      me: false,
      picture: video && !video.muted ? playable(video) : undefined,
      mirrored: false,
      boxed: video?.label === boxesTopic,
      muted,
      speaking: isSpeaking(id, muted),
      active: isActive(id) && !reconnecting,
      reconnecting,
      quality: worst([...participant.publications.values()]),
      limited: video !== undefined && !video.muted && video.pausedForBandwidth,
    };
  });
  return [own, ...others];
}

export function screens(room: Room, local: LocalView): ScreenTile[] {
  const others = [...room.participants.values()].flatMap(({ name, connection, publications }) =>
    [...publications.values()]
      .filter(({ kind, source }) => kind === 'video' && source !== 'camera')
      .map((publication) => ({
        id: publication.id,
        name,
        me: false,
        reconnecting: connection === 'reconnecting',
        picture: playable(publication),
        limited: publication.pausedForBandwidth,
      })),
  );
  const { stream } = local.screen;
  if (!stream) return others;
  const { me } = room;
  const picture = playableOwn(stream);
  const own = { id: stream.id, name: me.name, me: true, reconnecting: false, picture, limited: false };
  return [...others, own];
}

/**
 * Audio of the other participants. Chrome never starts an `<audio>` element whose stream had no track when it was assigned, so
 * publications without a track are left out.
 */
export function sounds(room: Room): Playable[] {
  return [...room.participants.values()]
    .flatMap(({ publications }) => [...publications.values()])
    .filter(({ kind, track }) => kind === 'audio' && track)
    .map(playable);
}

function playable(publication: RemotePublication): Playable {
  const { id, stream, track } = publication;
  const adaptTo = (element: HTMLElement): (() => void) => publication.adaptTo(element);
  return { key: id, stream, trackId: track?.id, publicationId: id, adaptTo };
}

function playableOwn(stream: MediaStream): Playable {
  return { key: stream.id, stream, trackId: stream.getTracks()[0]?.id };
}

function worst(publications: readonly RemotePublication[]): number | undefined {
  const known = publications
    .filter(({ muted, quality }) => !muted && quality !== undefined)
    .map(({ quality }) => quality ?? 0);
  return known.length > 0 ? Math.min(...known) : undefined;
}
