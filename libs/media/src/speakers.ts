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

/** The active speaker by the choice of one router. */
interface Choice {
  readonly participantId: string;
  /** It publishes to this router. */
  readonly isOwn: boolean;
}

/**
 * Detects the speakers of a room. Levels are those of the publishers of this node, from all its routers; each node reports its own. The
 * active speaker is chosen by each router among all producers in it, piped ones too. One that its own router chose is reported whenever
 * a router of this node changes to it: routers do not receive the same producers, and mediasoup's first choice is any of them.
 */
export class SpeakerDetector {
  /** Open routers. */
  readonly #routers = new Set<Router>();
  /** The speakers among the publishers of each router. */
  readonly #speakers = new Map<Router, Speakers>();
  readonly #choices = new Map<Router, Choice>();
  #reported: Speakers = [];
  /** The active speaker that was reported last; undefined once it is one of another node. */
  #active: string | undefined;
  #closed = false;

  constructor(private readonly listener: SpeakerListener) {}

  /** Observes what is added of a router, until it is closed. */
  async observe(router: Router): Promise<RouterSpeakers> {
    const [levels, active] = await Promise.all([
      router.createAudioLevelObserver({ maxEntries: maxSpeakers, threshold, interval: levelsEveryMs }),
      router.createActiveSpeakerObserver({ interval: activeSpeakerEveryMs }),
    ]);
    if (!router.closed) this.#routers.add(router);
    const observed = new RouterSpeakers(levels, active);
    levels.on('volumes', (volumes) =>
      this.#set(
        router,
        volumes.map(({ producer, volume }) => ({ participantId: participantOf(producer), level: Math.round(volume) })),
      ),
    );
    levels.on('silence', () => this.#set(router, []));
    active.on('dominantspeaker', ({ producer }) =>
      this.#choose(router, { participantId: participantOf(producer), isOwn: observed.isOwn(producer) }),
    );
    levels.observer.once('close', () => {
      this.#routers.delete(router);
      this.#choices.delete(router);
      this.#speakers.delete(router);
      // The last router is closed when everybody has left: no event may follow.
      if (this.#routers.size > 0) this.#set(router, []);
    });
    return observed;
  }

  #choose(router: Router, choice: Choice): void {
    this.#choices.set(router, choice);
    const { participantId } = choice;
    const isAgreed = [...this.#choices.values()].some((each) => each.isOwn && each.participantId === participantId);
    if (isAgreed && this.#active !== participantId) this.listener.activeSpeaker(participantId);
    this.#active = isAgreed ? participantId : undefined;
  }

  #set(router: Router, speakers: Speakers): void {
    if (speakers.length > 0) this.#speakers.set(router, speakers);
    else this.#speakers.delete(router);
    if (this.#closed) return;
    const loudest = [...this.#speakers.values()]
      .flat()
      .sort((a, b) => b.level - a.level)
      .slice(0, maxSpeakers);
    if (!this.#isChange(loudest)) return;
    this.#reported = loudest;
    this.listener.speakers(loudest);
  }

  /** Reports nothing from now on. */
  close(): void {
    this.#closed = true;
  }

  #isChange(speakers: Speakers): boolean {
    if (speakers.length !== this.#reported.length) return true;
    const before = new Map(this.#reported.map(({ participantId, level }) => [participantId, level]));
    return speakers.some(
      ({ participantId, level }) => Math.abs((before.get(participantId) ?? -Infinity) - level) >= hysteresis,
    );
  }
}

/** The audio of one router. */
export class RouterSpeakers {
  readonly #added = new WeakSet<Producer>();
  /** Producers of its clients. */
  readonly #own = new WeakSet<Producer>();

  constructor(
    private readonly levels: AudioLevelObserver,
    private readonly active: ActiveSpeakerObserver,
  ) {}

  isOwn(producer: Producer): boolean {
    return this.#own.has(producer);
  }

  /** Observes an audio producer of a client until it is closed. */
  addOwn(producer: Producer): Promise<void> {
    this.#own.add(producer);
    return this.#add(producer, [this.levels, this.active]);
  }

  /** Observes an audio producer that is piped from another router until it is closed. */
  addPiped(producer: Producer): Promise<void> {
    return this.#add(producer, [this.active]);
  }

  async #add(producer: Producer, observers: readonly (AudioLevelObserver | ActiveSpeakerObserver)[]): Promise<void> {
    if (producer.kind !== 'audio' || this.#added.has(producer)) return;
    this.#added.add(producer);
    try {
      await Promise.all(observers.map((observer) => observer.addProducer({ producerId: producer.id })));
    } catch (error) {
      if (!producer.closed) throw error;
    }
  }
}

const participantOf = (producer: Producer): string => String(producer.appData['participantId']);
