import type { RemoteParticipant, Room } from '@flotilla/client';

export interface ChatMessage {
  /** Undefined: you. */
  readonly from: string | undefined;
  readonly text: string;
  readonly at: Date;
}

export interface WatcherHost {
  /** Something that can be seen changed. */
  readonly changed: () => void;
  /** Something happened that a person who does not look should hear of. */
  readonly say: (text: string) => void;
  /** What comes from the others is about to stop, until media is restored. */
  readonly mediaLost: () => void;
  readonly message: (message: ChatMessage) => void;
}

/** In a larger room, every muting would be noise. */
const sayMutingUpTo = 8;
const longestMessage = 4000;

/** Follows a room for a view, and keeps what the room tells only in passing. */
export class RoomWatcher {
  speakers: ReadonlySet<string> = new Set();
  activeSpeaker: string | undefined;
  mediaLost = false;
  /** Which publications are muted, by id. */
  readonly #muted = new Map<string, boolean>();
  readonly #stops: (() => void)[];

  constructor(room: Room, host: WatcherHost) {
    const { changed, say } = host;
    for (const { publications } of room.participants.values())
      for (const { id, muted } of publications.values()) this.#muted.set(id, muted);
    this.#stops = [
      room.on('stateChanged', (state) => {
        if (state !== 'closed') say(state === 'reconnecting' ? 'Connection lost. Reconnecting' : 'Connected again');
        changed();
      }),
      room.on('mediaChanged', (state) => {
        this.mediaLost = state === 'lost';
        if (this.mediaLost) host.mediaLost();
        say(this.mediaLost ? 'Restoring audio and video' : 'Audio and video are back');
        changed();
      }),
      room.on('participantJoined', ({ name }) => {
        say(`${name} joined`);
        changed();
      }),
      room.on('participantLeft', ({ name }) => {
        say(`${name} left`);
        changed();
      }),
      room.on('publicationAdded', ({ id, source, muted }, { name }) => {
        this.#muted.set(id, muted);
        if (source === 'screen') say(`${name} shares a screen`);
        changed();
      }),
      room.on('publicationRemoved', ({ id, source }, { name }) => {
        this.#muted.delete(id);
        if (source === 'screen') say(`${name} stopped sharing`);
        changed();
      }),
      room.on('publicationUpdated', ({ id, source, muted }, { name }) => {
        // An update may also be about where it is sent from.
        if (source === 'microphone' && this.#muted.get(id) !== muted && room.participants.size < sayMutingUpTo)
          say(`${name} ${muted ? 'muted' : 'unmuted'}`);
        this.#muted.set(id, muted);
        changed();
      }),
      room.on('trackChanged', changed),
      room.on('qualityChanged', changed),
      room.on('speakersChanged', (ids) => {
        this.speakers = ids;
        changed();
      }),
      room.on('activeSpeakerChanged', (id) => {
        this.activeSpeaker = id;
        changed();
      }),
      room.on('message', (data, id, sender) => {
        const text = chatText(data);
        const from = id === room.me.id ? undefined : (sender?.name ?? 'Somebody who left');
        if (text !== undefined) host.message({ from, text, at: new Date() });
      }),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }
}

/** Anybody in the room may send anything; only what looks like chat is chat. */
function chatText(data: unknown): string | undefined {
  if (
    typeof data !== 'object' ||
    data === null ||
    !('kind' in data) ||
    data.kind !== 'chat' ||
    !('text' in data) ||
    typeof data.text !== 'string'
  )
    return undefined;
  return data.text.slice(0, longestMessage);
}

/** Somebody's microphone is heard unless they have none or it is muted. */
export function isMuted(participant: RemoteParticipant): boolean {
  return participant.find('microphone')?.muted ?? true;
}
