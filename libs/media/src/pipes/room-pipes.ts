import {
  type CommandPayload,
  type CommandReply,
  FlotillaError,
  type Publication,
  type PublicationRecord,
} from '@flotilla/contracts';
import { KeyedQueue, type Logger } from '@flotilla/runtime';
import type { Router } from 'mediasoup/types';
import type { RoomLayers } from '../layers/room-layers.ts';
import type { LinkUse } from '../router-links.ts';
import { IncomingPipe, type IncomingUse } from './incoming-pipe.ts';
import { OutgoingPipe } from './outgoing-pipe.ts';
import type { PeerNodes, PipedPublication, PipeListen } from './pipe-transport.ts';

export interface RoomPipesOptions {
  readonly roomId: string;
  readonly ownNode: string;
  /** The router that pipes which are opened now end at. Throws MEDIA_NOT_OPEN. */
  readonly router: () => Router;
  readonly listen: PipeListen;
  readonly peers: PeerNodes;
  readonly layers: RoomLayers;
  /** The producer of a publication of this node in the router of a pipe. Throws PUBLICATION_NOT_FOUND. */
  readonly useProducer: (publicationId: string, router: Router) => Promise<LinkUse>;
  readonly log: Logger;
}

/** The pipes of a room between this node and others: one in each direction per node, while it carries publications. */
export class RoomPipes {
  readonly #incoming = new Map<string, IncomingPipe>();
  readonly #outgoing = new Map<string, OutgoingPipe>();
  readonly #openings = new KeyedQueue();
  #closed = false;

  constructor(private readonly options: RoomPipesOptions) {}

  get size(): number {
    return this.#incoming.size + this.#outgoing.size;
  }

  /** A publication of another node, as a producer in the router that its pipe ends at. */
  async use(publication: PublicationRecord): Promise<IncomingUse> {
    const { nodeId: fromNode } = publication;
    let pipe = this.#incoming.get(fromNode);
    if (!pipe || pipe.isLost) {
      const onIdle = (idle: IncomingPipe): void => {
        if (this.#incoming.get(fromNode) === idle) this.#incoming.delete(fromNode);
      };
      pipe = new IncomingPipe({ ...this.options, router: this.options.router(), fromNode, onIdle });
      this.#incoming.set(fromNode, pipe);
    }
    return pipe.use(publication);
  }

  /** Ids of the publications that are received from other nodes. */
  publicationIds(): string[] {
    return [...this.#incoming.values()].flatMap((pipe) => pipe.publicationIds);
  }

  has(publicationId: string): boolean {
    return [...this.#incoming.values()].some((pipe) => pipe.has(publicationId));
  }

  /** The publication changed; see IncomingPipe. */
  update(publication: Publication): void {
    for (const pipe of this.#incoming.values()) void pipe.update(publication);
  }

  /** The publication ended. */
  remove(publicationId: string): void {
    for (const pipe of [...this.#incoming.values()]) pipe.remove(publicationId);
  }

  /** Opens the sending end of a pipe to a node, in place of the one to it, and sends publications of this node through it. */
  open({
    toNode,
    endpoint: remote,
    publicationIds,
  }: Omit<CommandPayload<'sfu.open_pipe'>, 'roomId'>): Promise<CommandReply<'sfu.open_pipe'>> {
    return this.#openings.run(toNode, async () => {
      const { listen, layers, useProducer } = this.options;
      const router = this.options.router();
      const onIdle = (idle: OutgoingPipe): void => {
        idle.close();
        if (this.#outgoing.get(toNode) === idle) this.#outgoing.delete(toNode);
      };
      const { pipe, endpoint } = await OutgoingPipe.open({ router, listen, remote, layers, onIdle });
      if (this.#closed || router.closed) {
        pipe.close();
        throw new FlotillaError('MEDIA_NOT_OPEN');
      }
      this.#outgoing.get(toNode)?.close();
      this.#outgoing.set(toNode, pipe);
      return { endpoint, publications: await pipe.addAll(publicationIds, (id) => useProducer(id, router)) };
    });
  }

  /** Sends a publication of this node to another one. Throws MEDIA_NOT_OPEN when there is no pipe to it. */
  async send(toNode: string, publicationId: string): Promise<PipedPublication> {
    const pipe = this.#outgoing.get(toNode);
    if (!pipe || pipe.router.closed) throw new FlotillaError('MEDIA_NOT_OPEN', `there is no pipe to ${toNode}`);
    return pipe.add(publicationId, () => this.options.useProducer(publicationId, pipe.router));
  }

  async stopSending(toNode: string, publicationId: string): Promise<void> {
    await this.#outgoing.get(toNode)?.remove(publicationId);
  }

  /** The layers that subscriptions on another node use. Throws MEDIA_NOT_OPEN, PUBLICATION_NOT_FOUND. */
  chooseLayers({
    toNode,
    publicationId,
    producerId,
    maxSpatialLayer,
  }: Omit<CommandPayload<'sfu.subscribed_layers'>, 'roomId'>): void {
    const pipe = this.#outgoing.get(toNode);
    if (!pipe) throw new FlotillaError('MEDIA_NOT_OPEN', `there is no pipe to ${toNode}`);
    const consumer = pipe.consumerOf(publicationId);
    if (consumer?.producerId !== producerId) throw new FlotillaError('PUBLICATION_NOT_FOUND');
    this.options.layers.choose(
      consumer,
      maxSpatialLayer === null ? { paused: true } : { paused: false, layers: { spatial: maxSpatialLayer } },
    );
  }

  /** A media worker of the room died, on any node: asks those that send to this one whether their ends of the pipes still exist. */
  checkSenders(): void {
    for (const pipe of this.#incoming.values()) void pipe.checkSender();
  }

  /** Closes the sending ends of pipes to nodes that are dead. A node that is alive after all opens its pipes again when it needs them. */
  closeOutgoing(deadNodes: ReadonlySet<string>): void {
    for (const nodeId of deadNodes) {
      const pipe = this.#outgoing.get(nodeId);
      if (!pipe) continue;
      this.#outgoing.delete(nodeId);
      pipe.close();
      this.options.log.info({ toNode: nodeId }, 'pipe to a dead node closed');
    }
  }

  /** Nodes that this one sends to. */
  get receivers(): string[] {
    return [...this.#outgoing.keys()];
  }

  close(): void {
    this.#closed = true;
    for (const pipe of [...this.#incoming.values(), ...this.#outgoing.values()]) pipe.close();
    this.#incoming.clear();
    this.#outgoing.clear();
  }
}
