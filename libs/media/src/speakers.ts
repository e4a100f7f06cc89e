import type { RoomEventPayload } from '@flotilla/contracts';
import type { ActiveSpeakerObserver, AudioLevelObserver, Producer, Router } from 'mediasoup/types';

type Speakers = RoomEventPayload<'speakers'>['speakers'];

const intervalMs = 500;
/** Quieter than this is not speech, in dBov. */
const threshold = -60;
/** A speaker whose level changed by less is not told again, in dB. */
const hysteresis = 6;
const maxSpeakers = 8;

/**
 * Who is heard in a room, and who leads. Levels are of the producers homed here; each node tells its own. The lead is
 * decided among all producers heard here, piped ones included, and told by the node the leader is homed on.
 */
export class SpeakerWatch {
  readonly #levels: AudioLevelObserver;
  readonly #lead: ActiveSpeakerObserver;
  readonly #added = new WeakSet<Producer>();
  #told: Speakers = [];

  private constructor(levels: AudioLevelObserver, lead: ActiveSpeakerObserver) {
    this.#levels = levels;
    this.#lead = lead;
  }

  static async start(
    router: Router,
    tell: { speakers(speakers: Speakers): void; activeSpeaker(participantId: string): void },
  ): Promise<SpeakerWatch> {
    const [levels, lead] = await Promise.all([
      router.createAudioLevelObserver({ maxEntries: maxSpeakers, threshold, interval: intervalMs }),
      router.createActiveSpeakerObserver({ interval: 300 }),
    ]);
    const watch = new SpeakerWatch(levels, lead);
    const change = (speakers: Speakers): void => {
      if (!watch.#differs(speakers)) return;
      watch.#told = speakers;
      tell.speakers(speakers);
    };
    levels.on('volumes', (volumes) =>
      change(
        volumes.map(({ producer, volume }) => ({ participantId: participantOf(producer), level: Math.round(volume) })),
      ),
    );
    levels.on('silence', () => change([]));
    lead.on('dominantspeaker', ({ producer }) => {
      if (!producer.appData['piped']) tell.activeSpeaker(participantOf(producer));
    });
    return watch;
  }

  #differs(speakers: Speakers): boolean {
    if (speakers.length !== this.#told.length) return true;
    const before = new Map(this.#told.map(({ participantId, level }) => [participantId, level]));
    return speakers.some(
      ({ participantId, level }) => Math.abs((before.get(participantId) ?? -Infinity) - level) >= hysteresis,
    );
  }

  /** Listens to an audio producer of this router. A closed one leaves by itself. */
  async add(producer: Producer): Promise<void> {
    if (producer.kind !== 'audio' || this.#added.has(producer)) return;
    this.#added.add(producer);
    const observers = producer.appData['piped'] ? [this.#lead] : [this.#levels, this.#lead];
    await Promise.all(observers.map((observer) => observer.addProducer({ producerId: producer.id })));
  }
}

const participantOf = (producer: Producer): string => String(producer.appData['participantId']);
