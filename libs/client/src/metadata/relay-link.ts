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

const openWithinMs = 8000;
/** A path that was lost is given this long to come back by itself. */
const disconnectedGraceMs = 2000;
/** Time is asked for this often at first and while the link is in trouble, and otherwise. */
const askSoonMs = 200;
const askMs = 1000;
const soonAtFirst = 8;
const reportEveryMs = 1000;
/** Worse than this the relay wants to know of it; it judges by itself. */
const worthTelling = { rttMs: 100, loss: 0.05 };
/** Bytes that wait in the browser before a sender has to wait, and before it may go on. */
const fullBytes = 1024 * 1024;
const roomyBytes = 256 * 1024;

/** Of what the relay takes, as clocks differ a little. */
const shareUsed = 0.8;

/** What a link needs of the room, and tells it. */
export interface LinkHost {
  connect(payload: {
    dtlsParameters: ReturnType<typeof dtlsParametersOf>;
    exceptRelay?: string;
  }): Promise<MetadataSession>;
  report(relayId: string, report: LinkReport): Promise<unknown>;
  /** Where the fleet's time is kept; it outlives the link. */
  readonly clock: FleetClock;
  onFrame(frame: Frame, channel: ChannelKind): void;
  /** The link is gone and was not closed by us. Once. */
  onLost(link: RelayLink): void;
}

/** A connection to a metadata relay: three data channels, and what is learned from them of time and of the path. */
export class RelayLink {
  readonly #pc: RTCPeerConnection;
  readonly #channels: Readonly<Record<ChannelKind, RTCDataChannel>>;
  readonly #ages = { reliable: new QueueAge(), limited: new QueueAge(), unreliable: new QueueAge() };
  readonly #meter = new LinkMeter();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  #reportedAt = -Infinity;
  #closed = false;
  relayId = '';
  maxFrameBytes = 0;
  #limits: MetadataSession['limits'] = { framesPerSecond: 1, bytesPerSecond: 1 };
  /** When all that was sent so far is within the limits, by `performance.now`. */
  #paidAt = 0;

  private constructor(private readonly host: LinkHost) {
    this.#pc = new RTCPeerConnection();
    const channel = (kind: ChannelKind): RTCDataChannel => {
      const opened = this.#pc.createDataChannel(kind, {
        negotiated: true,
        id: channelIds[kind],
        ...channelSettings[kind],
      });
      opened.binaryType = 'arraybuffer';
      opened.bufferedAmountLowThreshold = roomyBytes;
      opened.addEventListener('message', ({ data }) => this.#receive(kind, data));
      return opened;
    };
    this.#channels = { reliable: channel('reliable'), limited: channel('limited'), unreliable: channel('unreliable') };
  }

  /** @throws FlotillaError of the request, or NODE_UNAVAILABLE when the relay can't be reached. */
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
    link.#askTime();
    return link;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async #opened(): Promise<void> {
    const all = channelKinds.map((kind) => this.#channels[kind]);
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new FlotillaError('NODE_UNAVAILABLE', `${this.relayId}: ${why}`));
      const timer = setTimeout(() => fail(`not reached within ${openWithinMs} ms`), openWithinMs);
      const look = (): void => {
        if (!all.every(({ readyState }) => readyState === 'open')) return;
        clearTimeout(timer);
        resolve();
      };
      for (const channel of all) channel.addEventListener('open', look);
      this.#pc.addEventListener('connectionstatechange', () => {
        if (this.#pc.connectionState === 'failed') fail('no path to it');
      });
      // Next door it may all have happened while the answer was being set.
      look();
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
    if (this.#closed) return;
    this.close();
    this.host.onLost(this);
  }

  /** Bytes that wait to be sent over a channel. */
  waiting(channel: ChannelKind): number {
    return this.#channels[channel].bufferedAmount;
  }

  /** How long what waits to be sent over a channel has waited, ms. */
  waitedMs(channel: ChannelKind): number {
    return this.#ages[channel].ageMs(this.waiting(channel), performance.now());
  }

  /** False when the link is closed. */
  send(channel: ChannelKind, frame: Uint8Array<ArrayBuffer>): boolean {
    if (this.#closed) return false;
    try {
      this.#channels[channel].send(frame);
      const { framesPerSecond, bytesPerSecond } = this.#limits;
      const costMs = Math.max(1000 / framesPerSecond, (frame.length * 1000) / bytesPerSecond) / shareUsed;
      const now = performance.now();
      this.#paidAt = Math.max(this.#paidAt, now) + costMs;
      this.#ages[channel].sent(frame.length, this.waiting(channel), now);
      return true;
    } catch {
      // It closed in this very moment.
      return false;
    }
  }

  /** Resolves when the channel and the relay take more; false when the link is closed. */
  async roomy(channel: ChannelKind): Promise<boolean> {
    const of = this.#channels[channel];
    // A second's worth may go at once: the relay takes two.
    const aheadMs = this.#paidAt - performance.now() - 1000;
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (of.bufferedAmount <= fullBytes) return !this.#closed;
    await new Promise<void>((resolve) => {
      of.addEventListener('bufferedamountlow', () => resolve(), { once: true });
      of.addEventListener('close', () => resolve(), { once: true });
    });
    return !this.#closed;
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
    if (frame.body.case === 'timeResponse') this.#takeTime(frame.body.value, at);
    else this.host.onFrame(frame, channel);
  }

  // Time (RFC 5905, section 8): t1 and t4 are ours, t2 and t3 the relay's. Frames carry microseconds.

  #askTime(): void {
    if (this.#closed) return;
    const now = performance.now();
    const t1 = Math.round(now * 1000);
    this.#meter.sent(t1, now);
    this.send('unreliable', encodeFrame({ body: { case: 'timeRequest', value: { t1 } } }));
    const link = this.#meter.measure(now);
    const inTrouble = link !== undefined && (link.rttMs > worthTelling.rttMs || link.loss > worthTelling.loss);
    if (inTrouble && now - this.#reportedAt >= reportEveryMs) {
      this.#reportedAt = now;
      this.host.report(this.relayId, link).catch(() => undefined);
    }
    this.#timer = setTimeout(() => this.#askTime(), inTrouble || this.#asked++ < soonAtFirst ? askSoonMs : askMs);
  }

  #takeTime({ t1, t2, t3 }: { t1: number; t2: number; t3: number }, at: number): void {
    this.#meter.answered(t1, at);
    this.host.clock.add({ t1: t1 / 1000, t2: t2 / 1000, t3: t3 / 1000, t4: at }, this.relayId);
    this.host.clock.update();
  }

  /** What is known of the path now. */
  get path(): { rttMs: number; loss: number } | undefined {
    return this.#meter.measure(performance.now());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#pc.close();
  }
}
