import {
  type CommandPayload,
  type CommandReply,
  FlotillaError,
  type PublicationRecord,
  type Publication,
  type RtpParameters,
  migrationLingerMs,
} from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import type { Consumer, PipeTransport, Producer, Router } from 'mediasoup/types';
import { udpReceiveBufferBytes } from './worker-pool.ts';

/** How this node reaches the others. Errors are FlotillaErrors. */
export interface PeerNodes {
  openPipe(nodeId: string, payload: CommandPayload<'sfu.open_pipe'>): Promise<CommandReply<'sfu.open_pipe'>>;
  pipePublication(
    nodeId: string,
    payload: CommandPayload<'sfu.pipe_publication'>,
  ): Promise<CommandReply<'sfu.pipe_publication'>>;
  unpipePublication(
    nodeId: string,
    payload: CommandPayload<'sfu.unpipe_publication'>,
  ): Promise<CommandReply<'sfu.unpipe_publication'>>;
}

export type PipeEndpoint = CommandReply<'sfu.open_pipe'>['endpoint'];

/** Where a node's pipes listen: an address that the other nodes reach, never the clients. */
export interface PipeListen {
  readonly ip: string;
  readonly announcedAddress?: string | undefined;
}

async function createPipe(
  router: Router,
  listen: PipeListen,
): Promise<{ transport: PipeTransport; endpoint: PipeEndpoint }> {
  const { ip, announcedAddress } = listen;
  const transport = await router.createPipeTransport({
    listenInfo: {
      protocol: 'udp',
      ip,
      ...(announcedAddress && { announcedAddress }),
      recvBufferSize: udpReceiveBufferBytes,
    },
    // Hosts are apart: packets are encrypted, and lost ones sent again.
    enableSrtp: true,
    enableRtx: true,
  });
  const { cryptoSuite, keyBase64 } = transport.srtpParameters!;
  const endpoint = {
    ip: transport.tuple.localAddress,
    port: transport.tuple.localPort,
    srtpParameters: { cryptoSuite, keyBase64 },
  };
  return { transport, endpoint };
}

function connectPipe(transport: PipeTransport, { ip, port, srtpParameters }: PipeEndpoint): Promise<void> {
  return transport.connect({
    ip,
    port,
    srtpParameters: srtpParameters as NonNullable<PipeTransport['srtpParameters']>,
  });
}

/**
 * The outgoing side: what this node sends of a room to one other node. A publication is sent once however many consume it
 * there, with all its simulcast layers.
 */
export class OutgoingPipe {
  readonly #consumers = new Map<string, Consumer>();

  private constructor(private readonly transport: PipeTransport) {}

  static async open(
    router: Router,
    listen: PipeListen,
    remote: PipeEndpoint,
  ): Promise<{ pipe: OutgoingPipe; endpoint: PipeEndpoint }> {
    const { transport, endpoint } = await createPipe(router, listen);
    await connectPipe(transport, remote);
    return { pipe: new OutgoingPipe(transport), endpoint };
  }

  async add(publicationId: string, producer: Producer): Promise<CommandReply<'sfu.pipe_publication'>> {
    let consumer = this.#consumers.get(publicationId);
    if (!consumer || consumer.producerId !== producer.id) {
      consumer?.close();
      consumer = await this.transport.consume({ producerId: producer.id });
      this.#consumers.set(publicationId, consumer);
      const added = consumer;
      added.observer.once('close', () => {
        if (this.#consumers.get(publicationId) === added) this.#consumers.delete(publicationId);
      });
    }
    return {
      producerId: producer.id,
      kind: producer.kind,
      rtpParameters: consumer.rtpParameters as RtpParameters,
      paused: producer.paused,
    };
  }

  remove(publicationId: string): void {
    this.#consumers.get(publicationId)?.close();
  }

  get isIdle(): boolean {
    return this.#consumers.size === 0;
  }

  close(): void {
    this.transport.close();
  }
}

/** How long a publication nobody consumes any more keeps coming, in case somebody comes back. */
const lingerMs = 5000;

interface Incoming {
  readonly producer: Promise<Producer>;
  readonly producerId: string;
  consumers: number;
  linger?: NodeJS.Timeout | undefined;
}

/**
 * The incoming side: what this node gets of a room from one other node, on demand. A publication is fetched when the first
 * session here wants it and given back some seconds after the last one left it.
 */
export class IncomingPipe {
  #transport: Promise<PipeTransport> | undefined;
  readonly #incoming = new Map<string, Incoming>();
  #closed = false;

  constructor(
    private readonly options: {
      readonly roomId: string;
      readonly fromNode: string;
      readonly ownNode: string;
      readonly router: Router;
      readonly listen: PipeListen;
      readonly peers: PeerNodes;
      readonly log: Logger;
    },
  ) {}

  get size(): number {
    return this.#incoming.size;
  }

  async #open(): Promise<PipeTransport> {
    const { roomId, fromNode, ownNode, router, listen, peers } = this.options;
    const { transport, endpoint } = await createPipe(router, listen);
    try {
      const reply = await peers.openPipe(fromNode, { roomId, toNode: ownNode, endpoint });
      await connectPipe(transport, reply.endpoint);
      return transport;
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  #opened(): Promise<PipeTransport> {
    this.#transport ??= this.#open().catch((error: unknown) => {
      this.#transport = undefined;
      throw error;
    });
    return this.#transport;
  }

  /** The publication's producer in this node's router. Everyone who asks meanwhile gets the same. */
  async producer(publication: PublicationRecord): Promise<Producer> {
    const known = this.#incoming.get(publication.id);
    if (known?.producerId === publication.producerId) return known.producer;
    this.drop(publication.id);
    const incoming: Incoming = { producer: this.#fetch(publication), producerId: publication.producerId, consumers: 0 };
    this.#incoming.set(publication.id, incoming);
    try {
      return await incoming.producer;
    } catch (error) {
      if (this.#incoming.get(publication.id) === incoming) this.#incoming.delete(publication.id);
      throw error;
    }
  }

  async #fetch(publication: PublicationRecord): Promise<Producer> {
    const { roomId, fromNode, ownNode, peers } = this.options;
    const ask = async (): Promise<Producer> => {
      const transport = await this.#opened();
      const { producerId, kind, rtpParameters, paused } = await peers.pipePublication(fromNode, {
        roomId,
        toNode: ownNode,
        publicationId: publication.id,
      });
      return transport.produce({
        id: producerId,
        kind,
        rtpParameters: rtpParameters as Producer['rtpParameters'],
        paused,
        appData: { publicationId: publication.id, participantId: publication.participantId, piped: true },
      });
    };
    try {
      return await ask();
    } catch (error) {
      // The other end lost its side, with a worker or a restart: begin again, once.
      if (!(error instanceof FlotillaError) || error.code !== 'MEDIA_NOT_OPEN' || this.#closed) throw error;
      this.#reset();
      return ask();
    }
  }

  /** A session here began to consume the publication. The result says when it no longer does. */
  use(publicationId: string): () => void {
    const incoming = this.#incoming.get(publicationId);
    if (!incoming) return () => undefined;
    incoming.consumers++;
    clearTimeout(incoming.linger);
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      if (--incoming.consumers > 0) return;
      incoming.linger = setTimeout(() => this.#giveBack(publicationId, incoming), lingerMs);
      incoming.linger.unref();
    };
  }

  #giveBack(publicationId: string, incoming: Incoming): void {
    if (this.#closed || this.#incoming.get(publicationId) !== incoming || incoming.consumers > 0) return;
    const { roomId, fromNode, ownNode, peers, log } = this.options;
    this.drop(publicationId);
    peers
      .unpipePublication(fromNode, { roomId, toNode: ownNode, publicationId })
      .catch((error: unknown) => log.debug({ err: error }, 'could not give a publication back'));
    if (this.#incoming.size === 0) this.#reset();
  }

  /** The publication ended, or has another producer now. Its consumers here close with it. */
  drop(publicationId: string): void {
    const incoming = this.#incoming.get(publicationId);
    if (!incoming) return;
    this.#incoming.delete(publicationId);
    clearTimeout(incoming.linger);
    incoming.producer.then(
      (producer) => producer.close(),
      () => undefined,
    );
  }

  /**
   * The publication changed: with another producer behind it, this one goes on until everybody here has changed to the new;
   * being muted is passed on.
   */
  async update({ id, producerId, muted }: Publication): Promise<void> {
    const incoming = this.#incoming.get(id);
    if (!incoming) return;
    if (incoming.producerId !== producerId) {
      clearTimeout(incoming.linger);
      incoming.linger = setTimeout(() => {
        if (this.#incoming.get(id) === incoming) this.drop(id);
      }, migrationLingerMs);
      incoming.linger.unref();
      return;
    }
    // What was said of another producer before is older than what was asked for by a command: commands overtake events.
    if (incoming.consumers > 0) clearTimeout(incoming.linger);
    const producer = await incoming.producer.catch(() => undefined);
    if (!producer || producer.closed || producer.paused === muted) return;
    await (muted ? producer.pause() : producer.resume());
  }

  #reset(): void {
    const transport = this.#transport;
    this.#transport = undefined;
    void transport?.then(
      (opened) => opened.close(),
      () => undefined,
    );
  }

  close(): void {
    this.#closed = true;
    for (const publicationId of [...this.#incoming.keys()]) this.drop(publicationId);
    this.#reset();
  }
}
