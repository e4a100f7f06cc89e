import { type ConnectOptions, Room } from './room.ts';

/**
 * Joins a room.
 *
 * ```ts
 * const room = await connect('https://calls.example', { token, room: 'standup' });
 * room.on('publicationAdded', (publication) => publication.attach(video));
 * await room.publish(await openCamera());
 * ```
 *
 * @param url where the fleet is: `https://host`, or the full `wss://host/v1/signal`
 * @throws FlotillaError with the server's code (docs/errors.md), or UNAVAILABLE when it is out of reach
 */
export function connect(url: string, options: ConnectOptions): Promise<Room> {
  return Room.connect(url, options);
}

export {
  type ErrorCode,
  FlotillaError,
  type Layers,
  type MediaKind,
  type MediaMode,
  type Participant,
  type Source,
} from '@flotilla/contracts';
export {
  listDevices,
  type MediaDevice,
  type MediaDevices,
  openCamera,
  openCameraAndMicrophone,
  openMicrophone,
  openScreen,
} from './media/devices.ts';
export type { Emitter } from './emitter.ts';
export type { VideoCodec } from './media/encodings.ts';
export type { LocalPublication, RemoteParticipant, RemotePublication } from './publication.ts';
export type { Json, MetadataData, MetadataMessage } from './metadata/message.ts';
export type { PublishMetadataOptions, RoomMetadata } from './metadata/room-metadata.ts';
export type { LargeMessage, MetadataHandler, SubscribeOptions } from './metadata/subscription.ts';
export type { ReceiveStats, RoomStats, SendStats } from './media/quality.ts';
export type { ConnectOptions, PublishOptions, Room, RoomEvents, RoomState } from './room.ts';
export type { TokenSource } from './signaling/signal-session.ts';
