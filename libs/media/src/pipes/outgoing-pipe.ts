import { FlotillaError, type RtpParameters } from '@flotilla/contracts';
import { KeyedQueue } from '@flotilla/runtime';
import type { Consumer, PipeTransport, Router } from 'mediasoup/types';
import type { RoomLayers } from '../layers/room-layers.ts';
import type { LinkUse } from '../router-links.ts';
import { pipeBandwidth } from './pipe-bandwidth.ts';
import {
  connectPipeTransport,
  openPipeTransport,
  type PipedPublication,
  type PipeEndpoint,
  type PipeListen,
} from './pipe-transport.ts';

/**
 * Sends publications of a room from this node to one other node. A publication is sent once however many sessions consume it
 * there, with all its simulcast layers.
 */
export class OutgoingPipe {
  readonly #consumers = new Map<string, Consumer>();
  readonly #queue = new KeyedQueue();

  private constructor(
    readonly router: Router,
    private readonly transport: PipeTransport,
    private readonly layers: RoomLayers,
    private readonly onIdle: (pipe: OutgoingPipe) => void,
  ) {}

  /** @param onIdle called when the last publication is removed or ended. */
  static async open(options: {
    router: Router;
    listen: PipeListen;
    remote: PipeEndpoint;
    layers: RoomLayers;
    onIdle: (pipe: OutgoingPipe) => void;
  }): Promise<{ pipe: OutgoingPipe; endpoint: PipeEndpoint }> {
    const { router, listen, remote, layers, onIdle } = options;
    const { transport, endpoint } = await openPipeTransport(router, listen);
    try {
      await connectPipeTransport(transport, remote);
    } catch (error) {
      transport.close();
      throw error;
    }
    pipeBandwidth.add(transport);
    return { pipe: new OutgoingPipe(router, transport, layers, onIdle), endpoint };
  }

  /**
   * Sends a publication, in place of another producer of it.
   *
   * @param useProducer returns its producer in the router of the pipe, when its turn comes.
   * @throws FlotillaError MEDIA_NOT_OPEN when the pipe is closed, PUBLICATION_NOT_FOUND when the producer is closed.
   */
  add(publicationId: string, useProducer: () => Promise<LinkUse>): Promise<PipedPublication> {
    return this.#queue.run(publicationId, async () => {
      const use = await useProducer();
      const { producer } = use;
      const known = this.#consumers.get(publicationId);
      const isKnown = known?.producerId === producer.id;
      if (isKnown) use.release();
      const consumer = isKnown ? known : await this.#consume(publicationId, use);
      return {
        producerId: producer.id,
        kind: producer.kind,
        rtpParameters: consumer.rtpParameters as RtpParameters,
        paused: producer.paused,
      };
    });
  }

  /** Sends several publications. Those that `add` would throw for are left out of the result. */
  async addAll(
    publicationIds: readonly string[],
    useProducer: (publicationId: string) => Promise<LinkUse>,
  ): Promise<Record<string, PipedPublication>> {
    const added: Record<string, PipedPublication> = {};
    const add = async (publicationId: string): Promise<void> => {
      added[publicationId] = await this.add(publicationId, () => useProducer(publicationId));
    };
    await Promise.allSettled(publicationIds.map(add));
    return added;
  }

  async #consume(publicationId: string, { producer, release }: LinkUse): Promise<Consumer> {
    let consumer: Consumer | undefined;
    try {
      consumer = await this.transport.consume({ producerId: producer.id });
    } catch (error) {
      if (!this.transport.closed && !producer.closed) {
        release();
        throw error;
      }
    }
    if (!consumer || this.transport.closed || producer.closed) {
      consumer?.close();
      release();
      throw new FlotillaError(this.transport.closed ? 'MEDIA_NOT_OPEN' : 'PUBLICATION_NOT_FOUND');
    }
    const added = consumer;
    const previous = this.#consumers.get(publicationId);
    this.#consumers.set(publicationId, added);
    added.observer.once('close', () => {
      release();
      if (this.#consumers.get(publicationId) !== added) return;
      this.#consumers.delete(publicationId);
      if (this.#consumers.size === 0) this.onIdle(this);
    });
    this.layers.add(added);
    previous?.close();
    return added;
  }

  /** The consumer that sends a publication. */
  consumerOf(publicationId: string): Consumer | undefined {
    return this.#consumers.get(publicationId);
  }

  /** Stops sending a publication. Also without it, a pipe that sends nothing is idle: what it was opened for may have ended before. */
  remove(publicationId: string): Promise<void> {
    return this.#queue.run(publicationId, async () => {
      const consumer = this.#consumers.get(publicationId);
      if (consumer) consumer.close();
      else if (this.#consumers.size === 0) this.onIdle(this);
    });
  }

  /** Number of publications that it sends. */
  get size(): number {
    return this.#consumers.size;
  }

  close(): void {
    this.transport.close();
  }
}
