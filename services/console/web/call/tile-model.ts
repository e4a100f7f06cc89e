import type { RemotePublication, Room } from '@flotilla/client';
import type { LocalView } from './media-controls.ts';
import { isMuted, type RoomWatcher } from './room-watcher.ts';
import { boxesTopic } from './shapes/boxes.ts';

/** Something to play: `key` says which element plays it, `publicationId` is there when it comes from somebody else. */
export interface Playable {
  readonly key: string;
  readonly stream: MediaStream;
  /** Changes when the stream carries another track. */
  readonly trackId: string | undefined;
  readonly publicationId?: string;
}

export interface PersonTile {
  readonly id: string;
  readonly name: string;
  readonly me: boolean;
  readonly picture: Playable | undefined;
  readonly mirrored: boolean;
  /** Boxes come with the picture. */
  readonly boxed: boolean;
  readonly muted: boolean;
  readonly speaking: boolean;
  readonly active: boolean;
  readonly quality: number | undefined;
}

export interface ScreenTile {
  readonly id: string;
  readonly name: string;
  readonly me: boolean;
  readonly picture: Playable;
}

export function people(room: Room, watcher: RoomWatcher, local: LocalView): PersonTile[] {
  const { microphone, camera } = local;
  const heard = (id: string, muted: boolean): boolean => !muted && watcher.speakers.has(id);
  const leads = (id: string): boolean => watcher.activeSpeaker === id && room.participants.size > 1;
  const mine: PersonTile = {
    id: room.me.id,
    name: room.me.name,
    me: true,
    picture: camera.on && camera.stream ? playableOwn(camera.stream) : undefined,
    mirrored: !camera.facesAway,
    boxed: false,
    muted: !microphone.on,
    speaking: heard(room.me.id, !microphone.on),
    active: false,
    quality: undefined,
  };
  const others = [...room.participants.values()].map((participant): PersonTile => {
    const { id, name } = participant;
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
      speaking: heard(id, muted),
      active: leads(id),
      quality: worst([...participant.publications.values()]),
    };
  });
  return [mine, ...others];
}

export function screens(room: Room, local: LocalView): ScreenTile[] {
  const others = [...room.participants.values()].flatMap(({ name, publications }) =>
    [...publications.values()]
      .filter(({ kind, source }) => kind === 'video' && source !== 'camera')
      .map((publication) => ({ id: publication.id, name, me: false, picture: playable(publication) })),
  );
  const { stream } = local.screen;
  return stream ? [...others, { id: stream.id, name: room.me.name, me: true, picture: playableOwn(stream) }] : others;
}

/**
 * What is to be played aloud. Chrome never starts an `<audio>` whose stream had no track when it was given, so a publication
 * counts from its first track on.
 */
export function sounds(room: Room): Playable[] {
  return [...room.participants.values()]
    .flatMap(({ publications }) => [...publications.values()])
    .filter(({ kind, track }) => kind === 'audio' && track)
    .map(playable);
}

function playable({ id, stream, track }: RemotePublication): Playable {
  return { key: id, stream, trackId: track?.id, publicationId: id };
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
