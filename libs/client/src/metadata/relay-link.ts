import { FleetClock } from '@flotilla/clock/sync';
import {
  channelIds,
  type ChannelKind,
  channelKinds,
  FlotillaError,
  type LinkReport,
  type MetadataSession,
} from '@flotilla/contracts';
import {
  answerTo,
  channelSettings,
  decodeFrame,
  dtlsParametersOf,
  encodeFrame,
  type Frame,
  FrameError,
  LinkMeter,
} from '@flotilla/data-channel';
import { QueueAge } from './queue-age.ts';

/** Time to open a link, in milliseconds. */
const openWithinMs = 8000;
/** Time for a disconnected link to recover by itself, in milliseconds. */
const disconnectedGraceMs = 2000;
/** Pause between two time requests: for the first ones and while the path is bad, and otherwise. In milliseconds. */
const fastSyncMs = 200;
const syncMs = 1000;
const fastSyncs = 8;
const reportIntervalMs = 1000;
/** A path worse than this is reported to the relay. */
const badPath = { rttMs: 100, loss: 0.05 };
/** Buffered bytes above which senders wait, and at which they continue. */
const highWaterBytes = 1024 * 1024;
const lowWaterBytes = 256 * 1024;
/** Senders may exceed the relay's rate limits for this long, in milliseconds; the relay allows twice that. */
const burstMs = 1000;
/** Share of the relay's rate limits that is used, as the two clocks differ. */
const limitShare = 0.8;

/** Requests and handlers of a link. */
export interface LinkHost {
  connect(payload: {
    dtlsParameters: ReturnType<typeof dtlsParametersOf>;
    exceptRelay?: string;
  }): Promise<MetadataSession>;
  report(relayId: string, report: LinkReport): Promise<unknown>;
  readonly iceServers: RTCIceServer[];
  /** The estimate of the fleet's time, which successive links share. */
  readonly clock: FleetClock;
  onFrame(frame: Frame, channel: ChannelKind): void;
  /** The link was lost. Called at most once, and not after `close`. */
  onLost(link: RelayLink): void;
}

/** A connection to a metadata relay: three data channels, time synchronisation and measurement of the path. */
export class RelayLink {
  readonly #pc: RTCPeerConnection;
  readonly #channels: Readonly<Record<ChannelKind, RTCDataChannel>>;
  readonly #ages = { reliable: new QueueAge(), limited: new QueueAge(), unreliable: new QueueAge() };
  readonly #meter = new LinkMeter();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #syncs = 0;
  #reportedAt = -Infinity;
  readonly #closing = new AbortController();
  relayId = '';
  maxFrameBytes = 0;
  #limits: MetadataSession['limits'] = { framesPerSecond: 1, bytesPerSecond: 1 };
  /** When everything sent so far is within the rate limits (`performance.now`). */
  #withinLimitsAt = 0;

  private constructor(private readonly host: LinkHost) {
    this.#pc = new RTCPeerConnection({ iceServers: host.iceServers });
    const channel = (kind: ChannelKind): RTCDataChannel => {
      const opened = this.#pc.createDataChannel(kind, {
        negotiated: true,
        id: channelIds[kind],
        ...channelSettings[kind],
      });
      opened.binaryType = 'arraybuffer';
      opened.bufferedAmountLowThreshold = lowWaterBytes;
      opened.addEventListener('message', ({ data }) => this.#receive(kind, data));
      return opened;
    };
    this.#channels = { reliable: channel('reliable'), limited: channel('limited'), unreliable: channel('unreliable') };
  }

  /** @throws FlotillaError of the request, or NODE_UNAVAILABLE when the relay cannot be reached. */
  static async open(host: LinkHost, exceptRelay?: string): Promise<RelayLink> {
    const link = new RelayLink(host);
    try {
      const pc = link.#pc;
      const offer = await pc.createOffer();
      await pc.setLocalDescription(offer);
      const session = await host.connect({
        dtlsParameters: dtlsParametersOf(offer.sdp!),
        ...(exceptRelay !== undefined && { exceptRelay }),
      });
      link.relayId = session.relayId;
      link.maxFrameBytes = session.sctp.maxMessageSize;
      link.#limits = session.limits;
      await pc.setRemoteDescription({ type: 'answer', sdp: answerTo(offer.sdp!, session) });
      await link.#opened();
    } catch (error) {
      link.close();
      throw error;
    }
    link.#watch();
    link.#requestTime();
    return link;
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #opened(): Promise<void> {
    const all = channelKinds.map((kind) => this.#channels[kind]);
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string): void =>
        reject(
          new FlotillaError(
            'NODE_UNAVAILABLE',
            `No connection to metadata relay ${this.relayId}: ${reason}. Check that its UDP ports are reachable.`,
          ),
        );
      const timer = setTimeout(() => fail(`no answer within ${openWithinMs} ms`), openWithinMs);
      const check = (): void => {
        if (!all.every(({ readyState }) => readyState === 'open')) return;
        clearTimeout(timer);
        resolve();
      };
      for (const channel of all) channel.addEventListener('open', check);
      this.#pc.addEventListener('connectionstatechange', () => {
        if (this.#pc.connectionState === 'failed') fail('ICE or DTLS failed');
      });
      // On a local network the channels may have opened while the answer was applied.
      check();
    });
  }

  #watch(): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.#pc.addEventListener('connectionstatechange', () => {
      clearTimeout(timer);
      const { connectionState: state } = this.#pc;
      if (state === 'failed' || state === 'closed') this.#lose();
      if (state === 'disconnected') timer = setTimeout(() => this.#lose(), disconnectedGraceMs);
    });
    for (const channel of Object.values(this.#channels)) channel.addEventListener('close', () => this.#lose());
  }

  #lose(): void {
    if (this.closed) return;
    this.close();
    this.host.onLost(this);
  }

  /** Bytes in the send buffer of a channel. */
  buffered(channel: ChannelKind): number {
    return this.#channels[channel].bufferedAmount;
  }

  /** Age of the oldest byte in the send buffer of a channel, in milliseconds. */
  bufferedMs(channel: ChannelKind): number {
    return this.#ages[channel].ageMs(this.buffered(channel), performance.now());
  }

  /** False when the link is closed. */
  send(channel: ChannelKind, frame: Uint8Array<ArrayBuffer>): boolean {
    if (this.closed) return false;
    try {
      this.#channels[channel].send(frame);
      const { framesPerSecond, bytesPerSecond } = this.#limits;
      const costMs = Math.max(1000 / framesPerSecond, (frame.length * 1000) / bytesPerSecond) / limitShare;
      const now = performance.now();
      this.#withinLimitsAt = Math.max(this.#withinLimitsAt, now) + costMs;
      this.#ages[channel].sent(frame.length, this.buffered(channel), now);
      return true;
    } catch {
      // The channel closed since the check.
      return false;
    }
  }

  /** Resolves when the channel and the rate limits of the relay allow more; to false when the link is closed. */
  async writable(channel: ChannelKind): Promise<boolean> {
    const buffer = this.#channels[channel];
    const aheadMs = this.#withinLimitsAt - performance.now() - burstMs;
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (buffer.bufferedAmount > highWaterBytes && !this.closed) await this.#drained(buffer);
    return !this.closed;
  }

  /** Resolves when the send buffer of a channel has drained to `lowWaterBytes`, or the link is closed. */
  async #drained(buffer: RTCDataChannel): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = new AbortController();
    const onEvent = (): void => resolve();
    buffer.addEventListener('bufferedamountlow', onEvent, { signal: done.signal });
    // `RTCPeerConnection.close` fires no `close` event of its channels (W3C WebRTC, section 4.4.1.5).
    this.#closing.signal.addEventListener('abort', onEvent, { signal: done.signal });
    await promise;
    done.abort();
  }

  #receive(channel: ChannelKind, data: unknown): void {
    const at = performance.now();
    let frame: Frame;
    try {
      frame = decodeFrame(new Uint8Array(data as ArrayBuffer), 'relay', this.maxFrameBytes);
    } catch (error) {
      if (error instanceof FrameError) return;
      throw error;
    }
    if (frame.body.case === 'timeResponse') this.#receiveTime(frame.body.value, at);
    else this.host.onFrame(frame, channel);
  }

  // Time synchronisation (RFC 5905, section 8): t1 and t4 are local, t2 and t3 of the relay. Frames carry microseconds.

  #requestTime(): void {
    if (this.closed) return;
    const now = performance.now();
    const t1 = Math.round(now * 1000);
    this.#meter.sent(t1, now);
    this.send('unreliable', encodeFrame({ body: { case: 'timeRequest', value: { t1 } } }));
    const path = this.#meter.measure(now);
    const isBad = path !== undefined && (path.rttMs > badPath.rttMs || path.loss > badPath.loss);
    if (isBad && now - this.#reportedAt >= reportIntervalMs) {
      this.#reportedAt = now;
      this.host.report(this.relayId, path).catch(() => undefined);
    }
    const pauseMs = isBad || this.#syncs++ < fastSyncs ? fastSyncMs : syncMs;
    this.#timer = setTimeout(() => this.#requestTime(), pauseMs);
  }

  #receiveTime({ t1, t2, t3 }: { t1: number; t2: number; t3: number }, at: number): void {
    this.#meter.answered(t1, at);
    this.host.clock.add({ t1: t1 / 1000, t2: t2 / 1000, t3: t3 / 1000, t4: at }, this.relayId);
    this.host.clock.update();
  }

  /** Round-trip time in milliseconds and loss (0 to 1) of the path; undefined before the first measurement. */
  get path(): { rttMs: number; loss: number } | undefined {
    return this.#meter.measure(performance.now());
  }

  close(): void {
    if (this.closed) return;
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#pc.close();
  }
}
