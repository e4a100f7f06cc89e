import {
  FlotillaError,
  maxPublicationsOfNewPipe,
  migrationLingerMs,
  type Publication,
  type PublicationRecord,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { PipeTransport, Producer, Router } from 'mediasoup/types';
import type { RoomLayers } from '../layers/room-layers.ts';
import {
  connectPipeTransport,
  openPipeTransport,
  type PeerNodes,
  type PipedPublication,
  type PipeListen,
} from './pipe-transport.ts';

/** How long a publication without subscribers keeps arriving, in milliseconds: somebody may subscribe again. */
const idleMs = 5000;
/** How often the other node is asked whether its end still exists while it does not answer, and the pause between, in milliseconds. */
const maxSenderChecks = 5;
const senderCheckPauseMs = 1000;

/** Time for the answer about a producer that an event has replaced: it may name the new one. After it, those who wait are refused. */
const answerWithinMs = 300;

interface Incoming {
  readonly producer: Promise<Producer>;
  /** Rejects for who waits for the producer when another one has replaced it: the node that is asked may never answer. */
  readonly replaced: PromiseWithResolvers<never>;
  producerId: string;
  /** Id of the producer that the newest event about the publication names. */
  announcedId?: string;
  /** It was given up while the publication continues: for another producer of it, or with the transport. */
  isGivenUp?: true;
  subscribers: number;
  /** What the other node sent when it opened the pipe, until the producer is created. */
  piped?: PipedPublication | undefined;
  timer?: NodeJS.Timeout | undefined;
}

/** A use of an incoming publication. `release` ends it; a second call does nothing. */
export interface IncomingUse {
  readonly producer: Producer;
  /** The router of this producer. */
  readonly router: Router;
  readonly release: () => void;
  /** Whether it was given up while the publication continues. */
  readonly isLost: () => boolean;
}

export interface IncomingPipeOptions {
  readonly roomId: string;
  readonly fromNode: string;
  readonly ownNode: string;
  readonly router: Router;
  readonly listen: PipeListen;
  readonly peers: PeerNodes;
  readonly layers: RoomLayers;
  /** Called when the last publication is removed. */
  readonly onIdle: (pipe: IncomingPipe) => void;
  readonly log: Logger;
}

/**
 * Receives publications of a room from one other node, on demand. A publication is requested when the first session here
 * subscribes to it, and released some seconds after the last one unsubscribed.
 */
export class IncomingPipe {
  #transport: Promise<PipeTransport> | undefined;
  readonly #incoming = new Map<string, Incoming>();
  #closed = false;
  #isLost = false;

  constructor(private readonly options: IncomingPipeOptions) {}

  /** An end of it is closed by the death of a media worker, while its publications continue. */
  get isLost(): boolean {
    return this.#isLost || this.options.router.closed;
  }

  /** Number of publications that it receives or requests. */
  get size(): number {
    return this.#incoming.size;
  }

  get publicationIds(): string[] {
    return [...this.#incoming.keys()];
  }

  has(publicationId: string): boolean {
    return this.#incoming.has(publicationId);
  }

  /** Opens both ends, with the publications that are requested by the time this end is open. */
  async #open(): Promise<PipeTransport> {
    const { roomId, fromNode, ownNode, router, listen, peers } = this.options;
    const { transport, endpoint } = await openPipeTransport(router, listen);
    try {
      const requested = [...this.#incoming].slice(0, maxPublicationsOfNewPipe);
      const publicationIds = requested.map(([id]) => id);
      const reply = await peers.openPipe(fromNode, { roomId, toNode: ownNode, endpoint, publicationIds });
      await connectPipeTransport(transport, reply.endpoint);
      for (const [id, incoming] of requested) incoming.piped = reply.publications[id];
      return transport;
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  /** The open transport, shared by all that wait for it. */
  #opened(): Promise<PipeTransport> {
    if (!this.#transport) {
      const opening = this.#open();
      this.#transport = opening;
      opening.catch(() => {
        if (this.#transport === opening) this.#transport = undefined;
      });
    }
    return this.#transport;
  }

  /**
   * The producer of a publication in this node's router, kept until the use is released. Calls that wait at the same time share
   * one request.
   */
  async use(publication: PublicationRecord): Promise<IncomingUse> {
    if (this.#closed) throw cannotSend();
    const incoming = this.#incomingOf(publication);
    incoming.subscribers++;
    clearTimeout(incoming.timer);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      if (--incoming.subscribers > 0) return;
      this.#startTimer(publication.id, incoming, idleMs, () => this.#end(publication.id));
    };
    try {
      const producer = await Promise.race([incoming.producer, incoming.replaced.promise]);
      return {
        producer,
        router: this.options.router,
        release,
        isLost: () => this.isLost || incoming.isGivenUp === true,
      };
    } catch (error) {
      if (this.#incoming.get(publication.id) === incoming) this.#end(publication.id);
      throw this.isLost || isNotOpen(error) ? cannotSend() : error;
    }
  }

  #incomingOf(publication: PublicationRecord): Incoming {
    const known = this.#incoming.get(publication.id);
    if (known?.producerId === publication.producerId) return known;
    if (known) {
      // Which of the two is newer is not known here: the subscribers of the other are asked to subscribe again.
      known.isGivenUp = true;
      dispose(known);
    }
    const incoming: Incoming = {
      producer: this.#request(publication, () => incoming),
      replaced: Promise.withResolvers(),
      producerId: publication.producerId,
      subscribers: 0,
    };
    // Nobody may be waiting.
    incoming.replaced.promise.catch(() => undefined);
    this.#incoming.set(publication.id, incoming);
    return incoming;
  }

  #startTimer(publicationId: string, incoming: Incoming, ms: number, onTimeout: () => void): void {
    clearTimeout(incoming.timer);
    if (this.#incoming.get(publicationId) !== incoming) return;
    incoming.timer = setTimeout(onTimeout, ms);
    incoming.timer.unref();
  }

  async #request(publication: PublicationRecord, self: () => Incoming): Promise<Producer> {
    const transport = this.#opened();
    try {
      return await this.#requestOn(transport, publication, self);
    } catch (error) {
      // The other node lost its end, with a worker or a restart: open the pipe again, once.
      const isWanted = this.#incoming.get(publication.id) === self();
      if (!isNotOpen(error) || !isWanted || this.#closed || this.isLost) throw error;
      this.#closeTransport(transport);
      return this.#requestOn(this.#opened(), publication, self);
    }
  }

  async #requestOn(
    opening: Promise<PipeTransport>,
    { id: publicationId, participantId }: PublicationRecord,
    self: () => Incoming,
  ): Promise<Producer> {
    const { roomId, fromNode, ownNode, peers, layers } = this.options;
    const transport = await opening;
    const incoming = self();
    const { piped } = incoming;
    incoming.piped = undefined;
    const { producerId, kind, rtpParameters, paused } =
      piped ?? (await peers.pipePublication(fromNode, { roomId, toNode: ownNode, publicationId }));
    // The publication may have been replaced while the request was in flight.
    incoming.producerId = producerId;
    const producer = await transport.produce({
      id: producerId,
      kind,
      rtpParameters: rtpParameters as Producer['rtpParameters'],
      paused,
      appData: { publicationId, participantId },
    });
    if (transport.closed) {
      producer.close();
      throw new FlotillaError('MEDIA_NOT_OPEN', `the pipe from ${fromNode} was closed`);
    }
    producer.observer.once('close', () => {
      if (this.#incoming.get(publicationId) !== incoming) return;
      // With its transport: `remove` forgets an entry before it closes the producer.
      incoming.isGivenUp = true;
      this.remove(publicationId);
    });
    layers.received(producer, (maxSpatialLayer) =>
      peers.subscribedLayers(fromNode, { roomId, toNode: ownNode, publicationId, producerId, maxSpatialLayer }),
    );
    return producer;
  }

  /** Nobody subscribes to the publication: the other node need not send it. */
  #end(publicationId: string): void {
    const { roomId, fromNode, ownNode, peers, log } = this.options;
    this.remove(publicationId);
    peers
      .unpipePublication(fromNode, { roomId, toNode: ownNode, publicationId })
      .catch((error: unknown) => log.debug({ err: error, publicationId, fromNode }, 'unpipe request failed'));
  }

  /** The publication ended. Its consumers here are closed with its producer. */
  remove(publicationId: string): void {
    const incoming = this.#incoming.get(publicationId);
    if (!incoming) return;
    this.#incoming.delete(publicationId);
    dispose(incoming);
    if (this.#incoming.size > 0) return;
    this.#closeTransport(this.#transport);
    this.options.onIdle(this);
  }

  /**
   * The publication changed. With another producer, the one here continues for `migrationLingerMs`, until the sessions here
   * have subscribed to the new one; those that wait for it are refused and subscribe again. A muted state is applied to the
   * producer here.
   */
  async update({ id, producerId, muted }: Publication): Promise<void> {
    const incoming = this.#incoming.get(id);
    if (!incoming) return;
    incoming.announcedId = producerId;
    if (incoming.producerId !== producerId) {
      setTimeout(() => {
        if (incoming.producerId !== incoming.announcedId) incoming.replaced.reject(cannotSend());
      }, answerWithinMs).unref();
      return this.#startTimer(id, incoming, migrationLingerMs, () => {
        // The answer to a request overtook the event: it is this producer.
        if (incoming.producerId === incoming.announcedId) return;
        incoming.isGivenUp = true;
        this.remove(id);
      });
    }
    // Commands overtake events: this one is newer than the event that started the timer.
    if (incoming.subscribers > 0) clearTimeout(incoming.timer);
    try {
      const producer = await incoming.producer;
      // Applied even if it seems to be so already: the producer's state is that of the last answer, not of the last request.
      await (muted ? producer.pause() : producer.resume());
    } catch (error) {
      this.options.log.debug({ err: error, publicationId: id }, 'muted state of a piped publication not applied');
    }
  }

  /**
   * Asks the other node whether its end still exists, and gives up all publications when it does not: nothing arrives any more.
   * A pipe that is opened at the moment learns it from its own requests.
   */
  async checkSender(attempt = 1): Promise<void> {
    const { roomId, fromNode, ownNode, peers } = this.options;
    const transport = this.#transport;
    const [publicationId] = this.#incoming.keys();
    if (!transport || publicationId === undefined) return;
    try {
      await peers.pipePublication(fromNode, { roomId, toNode: ownNode, publicationId });
    } catch (error) {
      // Opened again meanwhile.
      if (this.#transport !== transport) return;
      if (isUnanswered(error) && attempt < maxSenderChecks)
        setTimeout(() => void this.checkSender(attempt + 1), senderCheckPauseMs).unref();
      // Otherwise the publication itself ended.
      if (!isNotOpen(error)) return;
      this.#isLost = true;
      this.close();
    }
  }

  /** Closes a transport; another one that was opened meanwhile stays. */
  #closeTransport(transport: Promise<PipeTransport> | undefined): void {
    if (this.#transport === transport) this.#transport = undefined;
    void transport?.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }

  close(): void {
    this.#closed = true;
    for (const publicationId of [...this.#incoming.keys()]) this.remove(publicationId);
    this.#closeTransport(this.#transport);
  }
}

function dispose({ timer, producer, replaced }: Incoming): void {
  clearTimeout(timer);
  replaced.reject(cannotSend());
  producer.then(
    (opened) => opened.close(),
    () => undefined,
  );
}

const isUnanswered = (error: unknown): boolean =>
  error instanceof FlotillaError && (error.code === 'DEADLINE_EXCEEDED' || error.code === 'UNAVAILABLE');

const isNotOpen = (error: unknown): boolean => error instanceof FlotillaError && error.code === 'MEDIA_NOT_OPEN';

/** Not MEDIA_NOT_OPEN, which would tell the subscriber that its own media is lost. */
const cannotSend = (): FlotillaError =>
  new FlotillaError('NODE_UNAVAILABLE', 'the node of the publication cannot send it at the moment');
