import { FlotillaError, type Member, type Room, type RtpParameters } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { type Backplane, memoryBackplane } from '@flotilla/backplane';
import { joinAs, newcomer, nodeReport, roomRecord } from '@flotilla/testkit';
import { MediaNode, type MediaRoom, type PeerNodes, routerRtpCapabilities } from '../src/index.ts';

const log = createLogger({ service: 'test', level: 'silent' });

export const rtpCapabilities = routerRtpCapabilities as Parameters<MediaRoom['openSession']>[0]['rtpCapabilities'];

export const maxPublishBitrateOfNode = 20_000_000;

let ssrc = 1000;
/** Parameters of an audio track that no other producer has. */
export const audio = (): RtpParameters => ({
  mid: String(++ssrc),
  codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc }],
});

export const microphone = (publicationId?: string) =>
  ({
    kind: 'audio',
    source: 'microphone',
    muted: false,
    rtpParameters: audio(),
    ...(publicationId !== undefined && { publicationId }),
  }) as const;

export interface LocalNodesOptions {
  /** Media workers of each node. */
  readonly workers: number;
  /** See MediaNodeOptions. */
  readonly spreadLoad: number;
}

/** SFU nodes, of one worker each unless there are to be more, over an in-memory backplane; they call each other directly. */
export class LocalNodes {
  readonly roomId = 'rm_a';
  readonly #nodes = new Map<string, MediaNode>();
  #heartbeats: NodeJS.Timeout | undefined;

  private constructor(readonly backplane: Backplane) {}

  static start(...ids: string[]): Promise<LocalNodes> {
    return LocalNodes.startWith({ workers: 1, spreadLoad: Infinity }, ...ids);
  }

  static async startWith({ workers, spreadLoad }: LocalNodesOptions, ...ids: string[]): Promise<LocalNodes> {
    const nodes = new LocalNodes(memoryBackplane(log));
    const { store, events } = nodes.backplane;
    await nodes.createRoom();
    const report = () => Promise.all(ids.map((id) => store.nodes.report(nodeReport(id, { capacity: 100 }))));
    await report();
    nodes.#heartbeats = setInterval(() => void report(), 500);
    for (const id of ids) {
      const { rooms, migrations } = store;
      const listen = { ips: ['127.0.0.1'], portBase: 0 };
      const limits = { maxPublishBitrate: maxPublishBitrateOfNode, spreadLoad };
      const options = { id, workers, listen, pipeListen: { ip: '127.0.0.1' }, rooms, migrations, events, log };
      nodes.#nodes.set(id, await MediaNode.start({ ...options, ...limits, peers: nodes.peers }));
    }
    return nodes;
  }

  async createRoom(settings: Partial<Room> = {}): Promise<void> {
    await this.backplane.store.rooms.create(roomRecord('a', settings));
  }

  /** Commands of the nodes to each other. A test may replace them. */
  readonly peers: PeerNodes = {
    openPipe: async (nodeId, { roomId, ...request }) => (await this.node(nodeId).room(roomId)).pipes.open(request),
    pipePublication: async (nodeId, { roomId, toNode, publicationId }) =>
      (await this.node(nodeId).room(roomId)).pipes.send(toNode, publicationId),
    unpipePublication: async (nodeId, { roomId, toNode, publicationId }) => {
      await (await this.node(nodeId).room(roomId)).pipes.stopSending(toNode, publicationId);
      return {};
    },
    subscribedLayers: async (nodeId, { roomId, ...request }) => {
      (await this.node(nodeId).room(roomId)).pipes.chooseLayers(request);
      return {};
    },
  };

  node(id: string): MediaNode {
    const node = this.#nodes.get(id);
    if (!node) throw new FlotillaError('NODE_UNAVAILABLE');
    return node;
  }

  room(id: string): Promise<MediaRoom> {
    return this.node(id).room(this.roomId);
  }

  /** A new member of the room, assigned to the node. Its media is not open. */
  async join(nodeId: string): Promise<Member> {
    const others = [...this.#nodes.keys()].filter((id) => id !== nodeId);
    const request = newcomer(this.roomId, undefined, others);
    return (await joinAs(this.backplane.store, { ...request, media: { rtpCapabilities, subscribe: true } as never }))
      .member;
  }

  open(nodeId: string, { sessionId, id }: Pick<Member, 'sessionId' | 'id'>, subscribe = true) {
    return this.node(nodeId).openSession(this.roomId, { sessionId, participantId: id, rtpCapabilities, subscribe });
  }

  /** A new member with open media. */
  async enter(nodeId: string, subscribe = true): Promise<Member> {
    const member = await this.join(nodeId);
    await this.open(nodeId, member, subscribe);
    return member;
  }

  async publications() {
    return (await this.backplane.store.rooms.state(this.roomId))!.publications;
  }

  /** What the media workers of a node have for the room: all routers together. */
  async dump(nodeId: string): Promise<{ transports: number; producers: string[]; consumers: string[] }> {
    const dumps = await this.dumps(nodeId);
    return {
      transports: dumps.reduce((sum, { transports }) => sum + transports, 0),
      producers: dumps.flatMap(({ producers }) => producers),
      consumers: dumps.flatMap(({ consumers }) => consumers),
    };
  }

  /** What each media worker of a node has for the room. */
  async dumps(nodeId: string): Promise<{ transports: number; producers: string[]; consumers: string[] }[]> {
    return Promise.all(
      [...(await this.room(nodeId)).routers].map(async ({ router }) => {
        const { transportIds, mapProducerIdConsumerIds, mapConsumerIdProducerId } = await router.dump();
        return {
          transports: transportIds.length,
          producers: mapProducerIdConsumerIds.map(({ key }) => key),
          consumers: mapConsumerIdProducerId.map(({ key }) => key),
        };
      }),
    );
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeats);
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
  }
}
