import {
  channelIds,
  type ChannelKind,
  channelKinds,
  MetadataSession,
  read,
  type Reply,
  signalRequests,
  type TopicDeclaration,
  type TopicInfo,
  type TopicSelection,
} from '@flotilla/contracts';
import {
  answerTo,
  channelSettings,
  decodeFrame,
  dtlsParametersOf,
  encodeFrame,
  type Frame,
  type FrameInit,
  split,
} from '@flotilla/data-channel';
import { type DataChannel, PeerConnection } from 'node-datachannel';
import type { z } from 'zod';
import { notYet, waitFor } from './wait-for.ts';

/** A received frame. */
export interface MetadataReceived extends Frame {
  readonly channel: ChannelKind;
  /** Time of its arrival, in ms of `performance.now`. */
  readonly at: number;
}

/** Sends requests: a RawClient, or a substitute for the gateway. */
export interface Requester {
  request(type: string, payload: unknown, to: string): Promise<Reply>;
}

export interface MetadataClientOptions {
  /** A relay that this client does not use, although it may be the room's. */
  readonly exceptRelay?: string;
  /** Returns the port to use instead of the relay's, such as that of an impaired path. */
  readonly detour?: (port: number) => number | Promise<number>;
}

/** A metadata client without browser and SDK, over libdatachannel. */
export class MetadataClient {
  readonly frames: MetadataReceived[] = [];
  /** Called with each received frame. Default: appends it to `frames`. */
  onFrame: (frame: MetadataReceived) => void = (frame) => this.frames.push(frame);
  readonly #nextSeq = new Map<string, number>();

  private constructor(
    private readonly signal: Requester,
    private readonly room: string,
    readonly session: MetadataSession,
    readonly peer: PeerConnection,
    readonly channels: Readonly<Record<ChannelKind, DataChannel>>,
  ) {
    for (const kind of channelKinds)
      channels[kind].onMessage((data) => {
        const frame = decodeFrame(data as Buffer, 'relay');
        this.onFrame({ ...frame, channel: kind, at: performance.now() });
      });
  }

  /** Connects to a relay of a room that the client has joined. Resolves when all channels are open. */
  static async connect(
    signal: Requester,
    roomId: string,
    { exceptRelay, detour }: MetadataClientOptions = {},
  ): Promise<MetadataClient> {
    const to = `room:${roomId}`;
    const peer = new PeerConnection('metadata', {
      iceServers: [],
      disableAutoNegotiation: true,
      bindAddress: '127.0.0.1',
    });
    const channels = {} as Record<ChannelKind, DataChannel>;
    for (const kind of channelKinds) {
      const { ordered, maxRetransmits } = channelSettings[kind];
      channels[kind] = peer.createDataChannel(kind, {
        negotiated: true,
        id: channelIds[kind],
        unordered: !ordered,
        ...(maxRetransmits !== undefined && { maxRetransmits }),
      });
    }
    const offer = await new Promise<string>((resolve) => {
      peer.onLocalDescription(resolve);
      peer.setLocalDescription('offer');
    });
    const dtlsParameters = dtlsParametersOf(offer);
    let reply = await signal.request('metadata.connect', { dtlsParameters }, to);
    // The relay of the last link is left out, and no other.
    if (reply.ok && exceptRelay !== undefined && read(MetadataSession, reply.payload).relayId === exceptRelay)
      reply = await signal.request('metadata.connect', { dtlsParameters, exceptRelay }, to);
    if (!reply.ok) {
      peer.close();
      throw new Error(`metadata.connect was refused: ${JSON.stringify(reply.error)}`);
    }
    const session = read(MetadataSession, reply.payload);
    if (detour) {
      session.transport.iceCandidates = session.transport.iceCandidates.filter(({ protocol }) => protocol === 'udp');
      for (const candidate of session.transport.iceCandidates) candidate.port = await detour(candidate.port);
    }
    const client = new MetadataClient(signal, to, session, peer, channels);
    peer.setRemoteDescription(answerTo(offer, session), 'answer');
    await waitFor(
      'open data channels',
      () => channelKinds.every((kind) => channels[kind].isOpen()) || notYet(peer.state()),
      { everyMs: 5 },
    );
    return client;
  }

  get relayId(): string {
    return this.session.relayId;
  }

  async #request(type: keyof typeof signalRequests, payload: object): Promise<unknown> {
    const reply = await this.signal.request(type, { relayId: this.relayId, ...payload }, this.room);
    if (!reply.ok) throw new Error(`${reply.error!.code}: ${reply.error!.message}`);
    return reply.payload;
  }

  async publish(topic: string, rest: Omit<z.input<typeof TopicDeclaration>, 'topic'> = {}): Promise<TopicInfo> {
    const reply = await this.#request('metadata.publish', { topic, ...rest });
    return read(signalRequests['metadata.publish'].reply, reply).topic;
  }

  async unpublish(topic: string): Promise<void> {
    await this.#request('metadata.unpublish', { topic });
  }

  async subscribe(topics: TopicSelection): Promise<TopicInfo[]> {
    const reply = await this.#request('metadata.subscribe', { topics });
    return read(signalRequests['metadata.subscribe'].reply, reply).topics;
  }

  async unsubscribe(topics: TopicSelection): Promise<void> {
    await this.#request('metadata.unsubscribe', { topics });
  }

  async report(rttMs: number, loss: number): Promise<void> {
    await this.#request('metadata.report', { rttMs, loss });
  }

  async disconnect(): Promise<void> {
    await this.#request('metadata.disconnect', {});
    this.close();
  }

  /** Sends a message in as many frames as it takes, and returns its sequence id. */
  send(
    topic: string,
    message: Uint8Array | string,
    { channel = 'limited', retain = false, captureTime = 0 }: SendOptions = {},
  ): number {
    const seqId = this.#nextSeq.get(topic) ?? 0;
    this.#nextSeq.set(topic, seqId + 1);
    for (const part of split(typeof message === 'string' ? Buffer.from(message) : message))
      this.sendFrame(channel, {
        body: {
          case: 'shard',
          value: { topic, seqId, captureTime, retain, reliable: channel !== 'unreliable', ...part },
        },
      });
    return seqId;
  }

  sendFrame(channel: ChannelKind, init: FrameInit): void {
    this.sendBytes(channel, encodeFrame(init));
  }

  sendBytes(channel: ChannelKind, bytes: Uint8Array): void {
    this.channels[channel].sendMessageBinary(bytes);
  }

  /** Waits for a matching frame; one that was received before counts. */
  frame(what: string, matches: (frame: MetadataReceived) => boolean): Promise<MetadataReceived> {
    return waitFor(what, () => this.frames.find(matches) ?? notYet(`none of ${this.frames.length} frames matches`), {
      everyMs: 5,
    });
  }

  /** Payloads of the received shards of a topic, as text, in order. */
  texts(topic: string): string[] {
    return this.frames.flatMap(({ body }) =>
      body.case === 'shard' && body.value.topic === topic ? [Buffer.from(body.value.payload).toString()] : [],
    );
  }

  close(): void {
    this.peer.close();
  }
}

export interface SendOptions {
  readonly channel?: ChannelKind;
  readonly retain?: boolean;
  readonly captureTime?: number;
}
