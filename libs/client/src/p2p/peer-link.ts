import type { PeerStream, NegotiationEvent } from '@flotilla/contracts';
import { iceConnectsWithinMs } from '../media/ice-error.ts';
import { PeerOutbox } from './peer-outbox.ts';
import type { PeerTrack } from './peer-track.ts';

/** A stream that the other participant sends. `track` is set while it is received. */
export interface PeerReceived extends PeerStream {
  readonly codec: string;
  readonly track: MediaStreamTrack | undefined;
}

export interface PeerLinkHost {
  send(part: NegotiationEvent): Promise<unknown>;
  /** All streams that the other side sends now. */
  onStreams(streams: readonly PeerReceived[]): void;
  /** Whether the application subscribed to it. */
  isReceiving(publicationId: string): boolean;
  onConnected(): void;
  /** No network path was found; ICE is restarted. */
  onIceFailed(): void;
  /** Both sides are out of sync: the connection must be replaced. */
  onBroken(): void;
}

const maxGatheringMs = 1000;
/** Appended to local answers: the origin of the offer that is answered. */
const answersAttribute = 'a=x-flotilla-answers:';
const defaultCodec = { audio: 'audio/opus', video: 'video/VP8' } as const;

/**
 * A direct media connection between two participants. It follows the perfect negotiation pattern of W3C WebRTC, section
 * 10.7, with the names of its example.
 */
export class PeerLink {
  readonly #pc: RTCPeerConnection;
  readonly #outbox: PeerOutbox;
  readonly #tracks = new Set<PeerTrack>();
  #makingOffer = false;
  #ignoreOffer = false;
  #isSettingRemoteAnswerPending = false;
  #remoteStreams: readonly PeerStream[] = [];
  #lastUfrag: string | undefined;
  #remoteConnection: string | undefined;
  /** Parts from the other side are processed one after the other. */
  #inbox: Promise<void> = Promise.resolve();
  /** Resolves with the first candidate, or when there is none. */
  readonly #gathered = Promise.withResolvers<void>();
  /** Runs while the connection is negotiated and not established. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Offers of the other side that collided with a local one. */
  collisions = 0;

  constructor(
    private readonly polite: boolean,
    private readonly iceServers: () => RTCIceServer[],
    private readonly host: PeerLinkHost,
  ) {
    this.#outbox = new PeerOutbox({ send: (part) => host.send(part), onRefused: () => host.onBroken() });
    const pc = new RTCPeerConnection({ iceServers: iceServers(), bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    pc.onnegotiationneeded = () => void this.#orBroken(() => this.#offer());
    pc.onicecandidate = ({ candidate }) => {
      this.#gathered.resolve();
      this.#sendCandidate(candidate);
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'failed') this.#iceFailed();
      if (pc.connectionState !== 'connected') return;
      clearTimeout(this.#timer);
      host.onConnected();
    };
    pc.onsignalingstatechange = () => {
      if (pc.signalingState !== 'stable' || pc.connectionState === 'connected') return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#iceFailed(), iceConnectsWithinMs);
    };
  }

  #iceFailed(): void {
    if (this.#closed) return;
    this.host.onIceFailed();
    this.restartIce();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get state(): { signaling: RTCSignalingState; connection: RTCPeerConnectionState; collisions: number } {
    return {
      signaling: this.#pc.signalingState,
      connection: this.#pc.connectionState,
      collisions: this.collisions,
    };
  }

  add(track: PeerTrack): void {
    this.#tracks.add(track);
    track.addTo(this.#pc);
  }

  remove(track: PeerTrack): void {
    if (this.#tracks.delete(track)) track.close();
  }

  /** Sends the current list of local streams, such as after a mute. */
  sendStreams(): void {
    // The first description carries the list.
    if (this.#pc.localDescription) this.send({ kind: 'streams', streams: this.#streams });
  }

  send(part: NegotiationEvent): void {
    this.#outbox.send(part);
  }

  get #streams(): PeerStream[] {
    return [...this.#tracks].map(({ announced }) => announced).filter((each) => each !== undefined);
  }

  async #offer(): Promise<void> {
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription(): void {
    const { type, sdp } = this.#pc.localDescription!;
    // Other clients ignore an attribute they don't know (RFC 8866, section 5.13).
    const answered = type === 'answer' ? `${answersAttribute}${originOf(this.#pc.remoteDescription?.sdp)}\r\n` : '';
    this.send({ kind: type as 'offer' | 'answer', sdp: sdp + answered, streams: this.#streams });
  }

  #sendCandidate(found: RTCIceCandidate | null): void {
    if (found && found.candidate !== '') {
      const { candidate, sdpMid, sdpMLineIndex } = found;
      const usernameFragment = found.usernameFragment ?? this.#ufrag ?? '';
      this.#lastUfrag = usernameFragment;
      this.send({ kind: 'candidate', candidate: { candidate, sdpMid, sdpMLineIndex, usernameFragment } });
      return;
    }
    const usernameFragment = this.#lastUfrag ?? this.#ufrag;
    if (usernameFragment !== undefined) this.send({ kind: 'end_of_candidates', usernameFragment });
  }

  get #ufrag(): string | undefined {
    return /^a=ice-ufrag:(\S+)/m.exec(this.#pc.localDescription?.sdp ?? '')?.[1];
  }

  /** Whether an offer belongs to another connection than the parts before: the other side replaced its connection. */
  isOfNewConnection(offer: string): boolean {
    return this.#remoteConnection !== undefined && this.#remoteConnection !== connectionOf(offer);
  }

  /** Processes a part from the other side, in the order of the calls. */
  receive(part: Exclude<NegotiationEvent, { kind: 'close' }>): void {
    if ('sdp' in part) this.#remoteConnection = connectionOf(part.sdp);
    this.#inbox = this.#inbox.then(() => (this.#closed ? undefined : this.#process(part)));
  }

  async #process(part: Exclude<NegotiationEvent, { kind: 'close' }>): Promise<void> {
    switch (part.kind) {
      case 'offer':
      case 'pranswer':
      case 'answer':
        return this.#orBroken(() => this.#receiveDescription(part));
      case 'rollback':
        return this.#orBroken(async () => {
          if (this.#pc.signalingState === 'have-remote-offer')
            await this.#pc.setRemoteDescription({ type: 'rollback' });
        });
      case 'candidate':
        return this.#addCandidate(part.candidate);
      case 'end_of_candidates':
        return this.#addCandidate({ candidate: '', sdpMid: '0', usernameFragment: part.usernameFragment });
      case 'streams':
        this.#remoteStreams = part.streams;
        return this.#notify();
    }
  }

  async #receiveDescription({ kind, sdp, streams }: Extract<NegotiationEvent, { sdp: string }>): Promise<void> {
    const pc = this.#pc;
    const answered = sdp.split(answersAttribute)[1]?.trim();
    // It answers an offer of the previous connection.
    if (answered !== undefined && answered !== originOf(pc.localDescription?.sdp)) return;
    // An offer may arrive while an answer is being applied; the state is "stable" again when it is processed.
    const readyForOffer = !this.#makingOffer && (pc.signalingState === 'stable' || this.#isSettingRemoteAnswerPending);
    const offerCollision = kind === 'offer' && !readyForOffer;
    if (offerCollision) this.collisions++;
    this.#ignoreOffer = !this.polite && offerCollision;
    if (this.#ignoreOffer) return;
    // Chromium 156 never gathers candidates when a page's first offer is rolled back before it found a network interface.
    if (offerCollision) await Promise.race([this.#gathered.promise, pause(maxGatheringMs)]);
    this.#isSettingRemoteAnswerPending = kind === 'answer';
    await pc.setRemoteDescription({ type: kind, sdp });
    this.#isSettingRemoteAnswerPending = false;
    this.#remoteStreams = streams;
    if (kind === 'offer') {
      this.applySubscriptions();
      await pc.setLocalDescription();
      this.#sendDescription();
    }
    this.#notify();
  }

  async #addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch {
      // It belongs to an ignored offer, or to a previous ICE generation.
    }
  }

  /** Receives what the application subscribed to, and nothing else. */
  applySubscriptions(): void {
    for (const { mid, publicationId } of this.#remoteStreams) {
      const transceiver = this.#transceiver(mid);
      if (!transceiver || transceiver.direction === 'stopped') continue;
      const direction = this.host.isReceiving(publicationId) ? 'recvonly' : 'inactive';
      if (transceiver.direction !== direction) transceiver.direction = direction;
    }
  }

  #transceiver(mid: string): RTCRtpTransceiver | undefined {
    return this.#pc.getTransceivers().find((each) => each.mid === mid);
  }

  #notify(): void {
    if (this.#closed) return;
    this.host.onStreams(
      this.#remoteStreams.map((stream) => {
        const transceiver = this.#transceiver(stream.mid);
        const receives = transceiver?.currentDirection === 'recvonly' || transceiver?.currentDirection === 'sendrecv';
        const codec = transceiver?.receiver.getParameters().codecs[0]?.mimeType ?? defaultCodec[stream.kind];
        return { ...stream, codec, track: receives ? transceiver.receiver.track : undefined };
      }),
    );
  }

  async #orBroken(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch {
      if (!this.#closed) this.host.onBroken();
    }
  }

  /** Restarts ICE, as the network may have changed. */
  restartIce(): void {
    // Credentials of TURN servers expire.
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers: this.iceServers() });
    this.#pc.restartIce();
  }

  /** The signaling connection was resumed. */
  resume(): void {
    this.#outbox.resume();
    this.restartIce();
  }

  /** Statistics of both directions. */
  async stats(): Promise<{ sent: RTCStatsReport; received: RTCStatsReport }> {
    const stats = await this.#pc.getStats();
    return { sent: stats, received: stats };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#outbox.close();
    this.#pc.close();
    for (const track of this.#tracks) track.detach();
  }
}

/** The session id and version of a description's origin (RFC 8866, section 5.2): the id identifies a connection, the version counts. */
const originOf = (sdp = ''): string => /^o=\S+ (\d+ \d+)/m.exec(sdp)?.[1] ?? '';
const connectionOf = (sdp: string): string => originOf(sdp).split(' ')[0]!;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
