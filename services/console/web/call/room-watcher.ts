import type { RemoteParticipant, Room } from '@flotilla/client';
import { parseChatData } from './chat-message.ts';

export interface ChatMessage {
  /** Undefined: you. */
  readonly from: string | undefined;
  readonly text: string;
  readonly at: Date;
}

export interface WatcherHost {
  /** Something that the view shows has changed. */
  readonly changed: () => void;
  /** Announces an event to screen readers. */
  readonly announce: (text: string) => void;
  /** Remote media was lost; called before tracks are removed. */
  readonly mediaLost: () => void;
  readonly message: (message: ChatMessage) => void;
}

/** Largest room, in participants, in which muting and reconnecting are announced. */
const announceUpTo = 8;

/** Observes a room for a view and keeps the state that the room reports only as events. */
export class RoomWatcher {
  speakers: ReadonlySet<string> = new Set();
  activeSpeaker: string | undefined;
  mediaLost = false;
  /** Muted state by publication id. */
  readonly #muted = new Map<string, boolean>();
  readonly #stops: (() => void)[];

  constructor(room: Room, host: WatcherHost) {
    const { changed, announce } = host;
    for (const { publications } of room.participants.values())
      for (const { id, muted } of publications.values()) this.#muted.set(id, muted);
    this.#stops = [
      room.on('stateChanged', (state) => {
        if (state !== 'closed')
          announce(state === 'reconnecting' ? 'Connection lost. Reconnecting' : 'Connected again');
        changed();
      }),
      room.on('mediaChanged', (state) => {
        this.mediaLost = state === 'lost';
        if (this.mediaLost) host.mediaLost();
        announce(this.mediaLost ? 'Restoring audio and video' : 'Audio and video are back');
        changed();
      }),
      room.on('mediaErrorChanged', (error) => {
        announce(error ? 'Audio and video have no connection' : 'Audio and video are connected');
        changed();
      }),
      room.on('participantJoined', ({ name, joinedAt, isRecording }) => {
        if (isRecording) announce('This call is being recorded');
        // Those who were in a large room before are listed after the join.
        else if (joinedAt >= room.me.joinedAt) announce(`${name} joined`);
        changed();
      }),
      room.on('participantLeft', ({ name, isRecording }, reason) => {
        if (isRecording) announce('The recording has ended');
        else announce(reason === 'removed' || reason === 'revoked' ? `${name} was removed` : `${name} left`);
        changed();
      }),
      room.on('participantConnectionChanged', ({ name, connection }) => {
        if (room.participants.size < announceUpTo)
          announce(connection === 'reconnecting' ? `${name} is reconnecting` : `${name} is back`);
        changed();
      }),
      room.on('publicationAdded', ({ id, source, muted }, { name }) => {
        this.#muted.set(id, muted);
        if (source === 'screen') announce(`${name} shares a screen`);
        changed();
      }),
      room.on('publicationRemoved', ({ id, source }, { name }) => {
        this.#muted.delete(id);
        if (source === 'screen') announce(`${name} stopped sharing`);
        changed();
      }),
      room.on('publicationUpdated', ({ id, source, muted }, { name }) => {
        // An update may also be about the SFU node.
        if (source === 'microphone' && this.#muted.get(id) !== muted && room.participants.size < announceUpTo)
          announce(`${name} ${muted ? 'muted' : 'unmuted'}`);
        this.#muted.set(id, muted);
        changed();
      }),
      room.on('trackChanged', changed),
      room.on('qualityChanged', changed),
      room.on('pausedForBandwidthChanged', changed),
      room.on('speakersChanged', (ids) => {
        this.speakers = ids;
        changed();
      }),
      room.on('activeSpeakerChanged', (id) => {
        this.activeSpeaker = id;
        changed();
      }),
      room.on('message', (data, id, sender) => {
        const text = parseChatData(data);
        const from = id === room.me.id ? undefined : (sender?.name ?? 'A participant who left');
        if (text !== undefined) host.message({ from, text, at: new Date() });
      }),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }
}

/** Whether a participant has no microphone or has muted it. */
export function isMuted(participant: RemoteParticipant): boolean {
  return participant.find('microphone')?.muted ?? true;
}
