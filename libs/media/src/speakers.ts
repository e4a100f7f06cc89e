import type { RoomEventPayload } from '@flotilla/contracts';
import type { ActiveSpeakerObserver, AudioLevelObserver, Producer, Router } from 'mediasoup/types';

type Speakers = RoomEventPayload<'speakers'>['speakers'];

const levelsEveryMs = 500;
const activeSpeakerEveryMs = 300;
/** Below this level a producer counts as silent, in dBov. */
const threshold = -60;
/** A level that changed by less is not sent again, in dB. */
const hysteresis = 6;
const maxSpeakers = 8;

export interface SpeakerListener {
  speakers(speakers: Speakers): void;
  activeSpeaker(participantId: string): void;
}

/**
 * Detects the speakers of a room. Levels are those of the producers of this node; each node reports its own. The active
 * speaker is chosen among all producers in the router, piped ones too, and reported by the node of its participant.
 */
export class SpeakerDetector {
  readonly #added = new WeakSet<Producer>();
  #reported: Speakers = [];

  private constructor(
    private readonly levels: AudioLevelObserver,
    private readonly active: ActiveSpeakerObserver,
  ) {}

  static async start(router: Router, listener: SpeakerListener): Promise<SpeakerDetector> {
    const [levels, active] = await Promise.all([
      router.createAudioLevelObserver({ maxEntries: maxSpeakers, threshold, interval: levelsEveryMs }),
      router.createActiveSpeakerObserver({ interval: activeSpeakerEveryMs }),
    ]);
    const detector = new SpeakerDetector(levels, active);
    const report = (speakers: Speakers): void => {
      if (!detector.#isChange(speakers)) return;
      detector.#reported = speakers;
      listener.speakers(speakers);
    };
    levels.on('volumes', (volumes) =>
      report(
        volumes.map(({ producer, volume }) => ({ participantId: participantOf(producer), level: Math.round(volume) })),
      ),
    );
    levels.on('silence', () => report([]));
    active.on('dominantspeaker', ({ producer }) => {
      if (!producer.appData['piped']) listener.activeSpeaker(participantOf(producer));
    });
    return detector;
  }

  #isChange(speakers: Speakers): boolean {
    if (speakers.length !== this.#reported.length) return true;
    const before = new Map(this.#reported.map(({ participantId, level }) => [participantId, level]));
    return speakers.some(
      ({ participantId, level }) => Math.abs((before.get(participantId) ?? -Infinity) - level) >= hysteresis,
    );
  }

  /** Observes an audio producer of this router until it is closed. */
  async add(producer: Producer): Promise<void> {
    if (producer.kind !== 'audio' || this.#added.has(producer)) return;
    this.#added.add(producer);
    const observers = producer.appData['piped'] ? [this.active] : [this.levels, this.active];
    try {
      await Promise.all(observers.map((observer) => observer.addProducer({ producerId: producer.id })));
    } catch (error) {
      if (!producer.closed) throw error;
    }
  }
}

const participantOf = (producer: Producer): string => String(producer.appData['participantId']);
