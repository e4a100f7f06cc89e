import type { PeerStream, NegotiationEvent } from '@flotilla/contracts';
import { PeerOutbox } from './peer-outbox.ts';
import type { PeerTrack } from './peer-track.ts';

/** What the other participant sends. The track is there while it is received. */
export interface PeerReceived extends PeerStream {
  readonly codec: string;
  readonly track: MediaStreamTrack | undefined;
}

export interface PeerLinkHost {
  send(part: NegotiationEvent): Promise<unknown>;
  /** Everything that the other side sends now. */
  received(streams: readonly PeerReceived[]): void;
  /** Whether this side wants to receive it. */
  wants(publicationId: string): boolean;
  connected(): void;
  /** The two are out of step: this connection leads nowhere. */
  broken(): void;
}

const maxGatheringMs = 1000;
/** Ends an answer of ours: the origin of the offer that it answers. */
const answersAttribute = 'a=x-flotilla-answers:';
const usualCodec = { audio: 'audio/opus', video: 'video/VP8' } as const;

/**
 * The media connection of two participants without a node between them. Who offers when is perfect negotiation as W3C
 * WebRTC, section 10.7, writes it: the names are those of its example.
 */
export class PeerLink {
  readonly #pc: RTCPeerConnection;
  readonly #outbox: PeerOutbox;
  readonly #tracks = new Set<PeerTrack>();
  #makingOffer = false;
  #ignoreOffer = false;
  #isSettingRemoteAnswerPending = false;
  #theirs: readonly PeerStream[] = [];
  #lastUfrag: string | undefined;
  #remoteConnection: string | undefined;
  /** What the other side says is taken in one after the other. */
  #inbox: Promise<void> = Promise.resolve();
  /** A first candidate, or that there is none. */
  readonly #gathered = Promise.withResolvers<void>();
  #closed = false;
  /** Offers that met one of ours. */
  collisions = 0;

  constructor(
    private readonly polite: boolean,
    iceServers: RTCIceServer[],
    private readonly host: PeerLinkHost,
  ) {
    this.#outbox = new PeerOutbox({ send: (part) => host.send(part), refused: () => host.broken() });
    const pc = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    pc.onnegotiationneeded = () => void this.#unlessBroken(() => this.#offer());
    pc.onicecandidate = ({ candidate }) => {
      this.#gathered.resolve();
      this.#sayCandidate(candidate);
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'failed') pc.restartIce();
      if (pc.connectionState === 'connected') host.connected();
    };
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
    track.sendBy(this.#pc);
  }

  remove(track: PeerTrack): void {
    if (this.#tracks.delete(track)) track.close();
  }

  /** Tells what is sent as it is now, after a mute. */
  sayStreams(): void {
    // Before the first description there is nothing to tell about.
    if (this.#pc.localDescription) this.say({ kind: 'streams', streams: this.#streams });
  }

  say(part: NegotiationEvent): void {
    this.#outbox.say(part);
  }

  get #streams(): PeerStream[] {
    return [...this.#tracks].map(({ announced }) => announced).filter((each) => each !== undefined);
  }

  async #offer(): Promise<void> {
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#sayDescription();
    } finally {
      this.#makingOffer = false;
    }
  }

  #sayDescription(): void {
    const { type, sdp } = this.#pc.localDescription!;
    // Others ignore an attribute they don't know (RFC 8866, section 5.13).
    const answered = type === 'answer' ? `${answersAttribute}${originOf(this.#pc.remoteDescription?.sdp)}\r\n` : '';
    this.say({ kind: type as 'offer' | 'answer', sdp: sdp + answered, streams: this.#streams });
  }

  #sayCandidate(found: RTCIceCandidate | null): void {
    if (found && found.candidate !== '') {
      const { candidate, sdpMid, sdpMLineIndex } = found;
      const usernameFragment = found.usernameFragment ?? this.#ufrag ?? '';
      this.#lastUfrag = usernameFragment;
      this.say({ kind: 'candidate', candidate: { candidate, sdpMid, sdpMLineIndex, usernameFragment } });
      return;
    }
    const usernameFragment = this.#lastUfrag ?? this.#ufrag;
    if (usernameFragment !== undefined) this.say({ kind: 'end_of_candidates', usernameFragment });
  }

  get #ufrag(): string | undefined {
    return /^a=ice-ufrag:(\S+)/m.exec(this.#pc.localDescription?.sdp ?? '')?.[1];
  }

  /** Whether an offer is of another connection than what was said before: the other side began anew. */
  isOfAnother(offer: string): boolean {
    return this.#remoteConnection !== undefined && this.#remoteConnection !== connectionOf(offer);
  }

  /** What the other side said, in the order it was said. */
  receive(part: Exclude<NegotiationEvent, { kind: 'close' }>): void {
    if ('sdp' in part) this.#remoteConnection = connectionOf(part.sdp);
    this.#inbox = this.#inbox.then(() => (this.#closed ? undefined : this.#take(part)));
  }

  async #take(part: Exclude<NegotiationEvent, { kind: 'close' }>): Promise<void> {
    switch (part.kind) {
      case 'offer':
      case 'pranswer':
      case 'answer':
        return this.#unlessBroken(() => this.#receiveDescription(part));
      case 'rollback':
        return this.#unlessBroken(async () => {
          if (this.#pc.signalingState === 'have-remote-offer')
            await this.#pc.setRemoteDescription({ type: 'rollback' });
        });
      case 'candidate':
        return this.#addCandidate(part.candidate);
      case 'end_of_candidates':
        return this.#addCandidate({ candidate: '', sdpMid: '0', usernameFragment: part.usernameFragment });
      case 'streams':
        this.#theirs = part.streams;
        return this.#tell();
    }
  }

  async #receiveDescription({ kind, sdp, streams }: Extract<NegotiationEvent, { sdp: string }>): Promise<void> {
    const pc = this.#pc;
    const answered = sdp.split(answersAttribute)[1]?.trim();
    // It answers an offer of the connection before this one.
    if (answered !== undefined && answered !== originOf(pc.localDescription?.sdp)) return;
    // An offer may come while the answer before it is being set; then we will be in "stable" when its turn comes.
    const readyForOffer = !this.#makingOffer && (pc.signalingState === 'stable' || this.#isSettingRemoteAnswerPending);
    const offerCollision = kind === 'offer' && !readyForOffer;
    if (offerCollision) this.collisions++;
    this.#ignoreOffer = !this.polite && offerCollision;
    if (this.#ignoreOffer) return;
    // Chromium 156 gathers nothing for ever when a page's first offer is rolled back before it found a network.
    if (offerCollision) await Promise.race([this.#gathered.promise, pause(maxGatheringMs)]);
    this.#isSettingRemoteAnswerPending = kind === 'answer';
    await pc.setRemoteDescription({ type: kind, sdp });
    this.#isSettingRemoteAnswerPending = false;
    this.#theirs = streams;
    if (kind === 'offer') {
      this.applyWishes();
      await pc.setLocalDescription();
      this.#sayDescription();
    }
    this.#tell();
  }

  async #addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch {
      // Of an offer that we ignored, or a generation that is over.
    }
  }

  /** Receives what is wanted and no more. */
  applyWishes(): void {
    for (const { mid, publicationId } of this.#theirs) {
      const transceiver = this.#transceiver(mid);
      if (!transceiver || transceiver.direction === 'stopped') continue;
      const direction = this.host.wants(publicationId) ? 'recvonly' : 'inactive';
      if (transceiver.direction !== direction) transceiver.direction = direction;
    }
  }

  #transceiver(mid: string): RTCRtpTransceiver | undefined {
    return this.#pc.getTransceivers().find((each) => each.mid === mid);
  }

  #tell(): void {
    if (this.#closed) return;
    this.host.received(
      this.#theirs.map((stream) => {
        const transceiver = this.#transceiver(stream.mid);
        const receives = transceiver?.currentDirection === 'recvonly' || transceiver?.currentDirection === 'sendrecv';
        const codec = transceiver?.receiver.getParameters().codecs[0]?.mimeType ?? usualCodec[stream.kind];
        return { ...stream, codec, track: receives ? transceiver.receiver.track : undefined };
      }),
    );
  }

  async #unlessBroken(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch {
      if (!this.#closed) this.host.broken();
    }
  }

  /** Looks for a new path: the network may have changed. */
  restartIce(): void {
    this.#pc.restartIce();
  }

  /** The connection to the server is back. */
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
    this.#outbox.close();
    this.#pc.close();
    for (const track of this.#tracks) track.detach();
  }
}

/** The session id and version of a description's origin (RFC 8866, section 5.2): the one names a connection, the other counts. */
const originOf = (sdp = ''): string => /^o=\S+ (\d+ \d+)/m.exec(sdp)?.[1] ?? '';
const connectionOf = (sdp: string): string => originOf(sdp).split(' ')[0]!;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
