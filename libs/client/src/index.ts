import type { ConnectOptions } from './room/options.ts';
import { Room } from './room/room.ts';

/**
 * Joins a room.
 *
 * ```ts
 * const room = await connect('https://calls.example', { token, room: 'standup' });
 * room.on('publicationAdded', (publication) => publication.attach(video));
 * await room.publish(await openCamera());
 * ```
 *
 * @param url the fleet's address: `https://host`, or the full `wss://host/v1/signal`
 * @throws FlotillaError with the server's code (docs/errors.md), or UNAVAILABLE when the fleet cannot be reached
 */
export function connect(url: string, options: ConnectOptions): Promise<Room> {
  return Room.connect(url, options);
}

export {
  type ErrorCode,
  FlotillaError,
  type Layers,
  type LeaveReason,
  type MediaKind,
  type MediaMode,
  type Participant,
  type RemovalReason,
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
export type { VideoCodec } from './media/encodings.ts';
export type { ReceiveStats, RoomStats, SendStats } from './media/quality.ts';
export type { Json, MetadataData, MetadataMessage } from './metadata/message.ts';
export type { RoomMetadata } from './metadata/room-metadata.ts';
export type { PublishMetadataOptions } from './metadata/topic-publisher.ts';
export type { LargeMessage, MetadataHandler, SubscribeOptions } from './metadata/subscription.ts';
export type { Emitter } from './room/emitter.ts';
export type { LocalPublication } from './room/local-publication.ts';
export type { ConnectOptions, PublishOptions } from './room/options.ts';
export type { RemoteParticipant } from './room/participant.ts';
export type { RemotePublication } from './room/remote-publication.ts';
export type { Room } from './room/room.ts';
export type { ConnectionState, MigrationSummary, RoomEvents } from './room/room-events.ts';
export type { TokenSource } from './signaling/signal-session.ts';
