import type { PeerStream, ToldNegotiation } from '@flotilla/contracts';
import { PeerOutbox } from './peer-outbox.ts';
import type { PeerTrack } from './peer-track.ts';

/** What the other participant sends. The track is there while it is received. */
export interface PeerReceived extends PeerStream {
  readonly codec: string;
  readonly track: MediaStreamTrack | undefined;
}

export interface PeerLinkHost {
  send(part: ToldNegotiation): Promise<unknown>;
  /** Everything that the other side sends now. */
  received(streams: readonly PeerReceived[]): void;
  /** Whether this side wants to receive it. */
  wants(publicationId: string): boolean;
  connected(): void;
  /** The two are out of step: this connection leads nowhere. */
  broken(): void;
}

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
  #closed = false;
  /** Offers that met one of ours. */
  collisions = 0;

  constructor(
    private readonly polite: boolean,
    iceServers: RTCIceServer[],
    private readonly host: PeerLinkHost,
  ) {
    this.#outbox = new PeerOutbox({ send: (part) => host.send(part), refused: () => host.broken() });
    const pc = new RTCPeerConnection({ iceServers });
    this.#pc = pc;
    pc.onnegotiationneeded = () => void this.#unlessBroken(() => this.#offer());
    pc.onicecandidate = ({ candidate }) => this.#sayCandidate(candidate);
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

  say(part: ToldNegotiation): void {
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
    this.say({ kind: type as 'offer' | 'answer', sdp, streams: this.#streams });
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

  /** What the other side said, in the order it was said. */
  async receive(part: Exclude<ToldNegotiation, { kind: 'close' }>): Promise<void> {
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

  async #receiveDescription({ kind, sdp, streams }: Extract<ToldNegotiation, { sdp: string }>): Promise<void> {
    const pc = this.#pc;
    // An offer may come while the answer before it is being set; then we will be in "stable" when its turn comes.
    const readyForOffer = !this.#makingOffer && (pc.signalingState === 'stable' || this.#isSettingRemoteAnswerPending);
    const offerCollision = kind === 'offer' && !readyForOffer;
    if (offerCollision) this.collisions++;
    this.#ignoreOffer = !this.polite && offerCollision;
    if (this.#ignoreOffer) return;
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
