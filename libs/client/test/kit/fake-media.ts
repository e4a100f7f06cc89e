import { EventEmitter } from 'node:events';
import type { MediaKind } from '@flotilla/contracts';

/** Tracks and streams as far as the SDK reads them; Node.js has none. */
export class FakeTrack {
  readyState: 'live' | 'ended' = 'live';
  enabled = true;

  constructor(
    readonly id: string,
    readonly kind: MediaKind = 'audio',
  ) {}

  getSettings(): object {
    return {};
  }
}

export class FakeStream {
  readonly #tracks = new Set<FakeTrack>();

  addTrack(track: FakeTrack): void {
    this.#tracks.add(track);
  }

  removeTrack(track: FakeTrack): void {
    this.#tracks.delete(track);
  }

  getTracks(): FakeTrack[] {
    return [...this.#tracks];
  }
}

type ConnectionState = 'connecting' | 'connected' | 'failed' | 'closed';
type Listener = (parameters: object, done: (result: object) => void, fail: (error: Error) => void) => void;

/** A mediasoup Producer or Consumer as far as the SDK uses it. */
class FakeStreamEnd {
  closed = false;
  paused = false;
  readonly observer = { once: (): void => undefined };

  constructor(
    readonly id: string,
    public track: FakeTrack,
    readonly producerId = id,
  ) {}

  get kind(): MediaKind {
    return this.track.kind;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  async replaceTrack({ track }: { track: FakeTrack }): Promise<void> {
    this.track = track;
  }

  async getStats(): Promise<Map<string, object>> {
    return new Map([['in', { type: 'inbound-rtp', packetsReceived: 1, framesDecoded: 10 }]]);
  }

  close(): void {
    this.closed = true;
  }
}

/** A mediasoup Transport: signals `produce` to its listener, and is connected at once. */
class FakeTransport {
  connectionState: ConnectionState = 'connected';
  iceRestarts = 0;
  /** False in Firefox, whose RTCPeerConnection has no setConfiguration. */
  setsIceServers = true;
  iceServers: readonly RTCIceServer[] = [];
  readonly observer = new EventEmitter();
  readonly producers: FakeStreamEnd[] = [];
  readonly consumers: FakeStreamEnd[] = [];
  readonly #listeners = new Map<string, Listener>();
  #onConnectionState: (state: ConnectionState) => void = () => undefined;

  readonly #description = new Set<string>();
  #negotiation: Promise<void> | undefined;

  constructor(
    readonly id: string,
    private readonly refused: ReadonlySet<string>,
  ) {}

  on(event: string, listener: Listener & ((state: ConnectionState) => void)): void {
    if (event === 'connectionstatechange') this.#onConnectionState = listener;
    else this.#listeners.set(event, listener);
  }

  /** The browser changes the state of the connection. */
  change(state: ConnectionState): void {
    this.connectionState = state;
    this.#onConnectionState(state);
  }

  async restartIce(): Promise<void> {
    this.iceRestarts++;
  }

  async updateIceServers({ iceServers }: { iceServers: RTCIceServer[] }): Promise<void> {
    if (!this.setsIceServers) throw Object.assign(new Error('not supported'), { name: 'UnsupportedError' });
    this.iceServers = iceServers;
  }

  async produce({ track, appData }: { track: FakeTrack; appData: object }): Promise<FakeStreamEnd> {
    const parameters = { kind: track.kind, rtpParameters: {}, appData };
    const { id } = await new Promise<{ id: string }>((resolve, reject) => {
      this.#listeners.get('produce')!(parameters, (result) => resolve(result as { id: string }), reject);
    });
    const producer = new FakeStreamEnd(id, track);
    this.producers.push(producer);
    return producer;
  }

  /** Receives what is consumed in one turn in one negotiation, as mediasoup-client does. What the browser refused stays. */
  async consume({ id, producerId, kind }: { id: string; producerId: string; kind: MediaKind }): Promise<FakeStreamEnd> {
    this.#description.add(producerId);
    await (this.#negotiation ??= Promise.resolve().then(() => {
      this.#negotiation = undefined;
      if ([...this.#description].some((each) => this.refused.has(each)))
        throw new Error('Failed to parse SessionDescription.');
    }));
    const consumer = new FakeStreamEnd(id, new FakeTrack(`track of ${id}`, kind), producerId);
    this.consumers.push(consumer);
    return consumer;
  }

  close(): void {
    this.connectionState = 'closed';
    this.observer.emit('close');
    for (const end of [...this.producers, ...this.consumers]) end.close();
  }
}

/** A mediasoup Device whose transports are all recorded. */
export class FakeDevice {
  readonly transports: FakeTransport[] = [];
  /** Producers that the browser refuses to receive. */
  readonly refused = new Set<string>();
  readonly sendRtpCapabilities = { codecs: [] };
  readonly recvRtpCapabilities = {};

  #create({ id }: { id: string }): FakeTransport {
    const transport = new FakeTransport(id, this.refused);
    this.transports.push(transport);
    return transport;
  }

  createSendTransport(options: { id: string }): FakeTransport {
    return this.#create(options);
  }

  createRecvTransport(options: { id: string }): FakeTransport {
    return this.#create(options);
  }

  transport(id: string): FakeTransport {
    return this.transports.find((each) => each.id === id)!;
  }
}
