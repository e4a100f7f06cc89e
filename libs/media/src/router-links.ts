import { FlotillaError } from '@flotilla/contracts';
import type { Producer, Router } from 'mediasoup/types';
import { udpReceiveBufferBytes } from './worker-pool.ts';

/** How long a stream without consumers keeps crossing, in milliseconds: somebody may subscribe again. */
export const idleLinkMs = 5000;

interface Link {
  /** The producer in the other router. */
  readonly producer: Promise<Producer>;
  uses: number;
  timer?: NodeJS.Timeout | undefined;
}

/** A use of a producer in another router. `release` ends it; a second call does nothing. */
export interface LinkUse {
  readonly producer: Producer;
  readonly release: () => void;
}

const noRelease = (): void => undefined;

/**
 * The streams of a room that cross between its routers on this node. A stream crosses to a router once, while it is used there, with
 * all its layers; pause, resume and requests for key frames cross too.
 *
 * mediasoup (3.27.1, lib/Router.js) opens one pair of transports for two routers, and closes it with either of them.
 */
export class RouterLinks {
  /** By router, and the id of the producer, which is the same in all routers. */
  readonly #links = new Map<Router, Map<string, Link>>();
  #closed = false;

  /** Number of streams that cross. */
  get size(): number {
    let size = 0;
    for (const links of this.#links.values()) size += links.size;
    return size;
  }

  /**
   * The producer as one of another router, until the use is released. Calls that wait at the same time share one.
   *
   * @throws FlotillaError PUBLICATION_NOT_FOUND when the producer is closed, NODE_UNAVAILABLE when a router is.
   */
  async use(producer: Producer, from: Router, to: Router): Promise<LinkUse> {
    if (from === to) return { producer, release: noRelease };
    const link = this.#linkOf(producer, from, to);
    link.uses++;
    clearTimeout(link.timer);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      if (--link.uses > 0 || !this.#has(to, producer.id, link)) return;
      link.timer = setTimeout(() => this.#end(to, producer.id, link), idleLinkMs);
      link.timer.unref();
    };
    return { producer: await link.producer, release };
  }

  #has(to: Router, producerId: string, link: Link): boolean {
    return this.#links.get(to)?.get(producerId) === link;
  }

  #linkOf(producer: Producer, from: Router, to: Router): Link {
    let links = this.#links.get(to);
    if (!links) this.#links.set(to, (links = new Map()));
    const known = links.get(producer.id);
    if (known) return known;
    const link: Link = { producer: this.#pipe(producer, from, to), uses: 0 };
    links.set(producer.id, link);
    const forget = (): void => this.#forget(to, producer.id, link);
    link.producer.then((piped) => (piped.closed ? forget() : piped.observer.once('close', forget)), forget);
    return link;
  }

  async #pipe(source: Producer, from: Router, to: Router): Promise<Producer> {
    const unusable = (): FlotillaError | undefined => {
      if (this.#closed || from.closed || to.closed)
        return new FlotillaError('NODE_UNAVAILABLE', 'the media worker of a stream stopped');
      return source.closed ? new FlotillaError('PUBLICATION_NOT_FOUND', 'its producer is closed') : undefined;
    };
    const before = unusable();
    if (before) throw before;
    try {
      const { pipeConsumer, pipeProducer } = await from.pipeToRouter({
        producerId: source.id,
        router: to,
        listenInfo: { protocol: 'udp', ip: '127.0.0.1', recvBufferSize: udpReceiveBufferBytes },
        // A worker that waits for a core may lose packets on the way.
        enableRtx: true,
        enableSctp: false,
      });
      // mediasoup resolves also when a router was closed meanwhile.
      const after = unusable();
      if (!after && !pipeProducer!.closed && !pipeConsumer!.closed) return pipeProducer!;
      pipeProducer!.close();
      pipeConsumer!.close();
      throw after ?? new FlotillaError('NODE_UNAVAILABLE', 'a pipe between media workers was closed');
    } catch (error) {
      throw unusable() ?? error;
    }
  }

  #forget(to: Router, producerId: string, link: Link): void {
    clearTimeout(link.timer);
    const links = this.#links.get(to);
    if (links?.get(producerId) !== link) return;
    links.delete(producerId);
    if (links.size === 0) this.#links.delete(to);
  }

  /** Nobody uses the stream there. */
  #end(to: Router, producerId: string, link: Link): void {
    this.#forget(to, producerId, link);
    link.producer.then(
      (piped) => piped.close(),
      () => undefined,
    );
  }

  /** The routers are closed by their owner, and all that crosses with them. */
  close(): void {
    this.#closed = true;
    for (const links of this.#links.values()) for (const { timer } of links.values()) clearTimeout(timer);
    this.#links.clear();
  }
}
