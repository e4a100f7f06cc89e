import { FlotillaError, type NegotiationState, type NegotiationEvent } from '@flotilla/contracts';
import { apply, type PairRecord, type Side } from '../src/negotiation/pair.ts';

/**
 * A client that does perfect negotiation as W3C WebRTC, section 10.7, over a server that applies what it is sent. Its
 * messages move one step at a time, when it is told: from making to sending, to the server, and to the other client.
 */
export class NegotiatingClient {
  peer!: NegotiatingClient;
  state: NegotiationState = 'stable';
  wanted = false;
  /** What both sides hold once they are stable. */
  agreed = '';
  readonly unexpected: string[] = [];
  #pending = '';
  #generation = 0;
  #made: NegotiationEvent | undefined;
  readonly #toServer: NegotiationEvent[] = [];
  readonly #fromServer: NegotiationEvent[] = [];

  constructor(
    private readonly side: Side,
    private readonly server: { record: PairRecord },
  ) {}

  /** Something is to be negotiated: a track, or an ICE restart. */
  want(): void {
    this.wanted = true;
  }

  get busy(): boolean {
    return this.#canMake || this.#made !== undefined || this.#toServer.length + this.#fromServer.length > 0;
  }

  get #canMake(): boolean {
    return this.wanted && this.state === 'stable' && !this.#made;
  }

  /** 0: makes an offer, or sends the one it made; 1: a message reaches the server; 2: one comes from it. */
  step(queue: number): void {
    if (queue === 0 && this.#made) this.#sendOffer(this.#made);
    else if (queue === 0 && this.#canMake) this.#made = this.#describe('offer');
    if (queue === 1) this.#reachServer();
    if (queue === 2) this.#receive();
  }

  #describe(kind: 'offer' | 'answer'): NegotiationEvent {
    return { kind, sdp: `a=ice-ufrag:${this.side}${++this.#generation}\r\n`, streams: [] };
  }

  #sendOffer(offer: NegotiationEvent): void {
    this.#made = undefined;
    // What came while the offer was made may have changed the state: setLocalDescription() then makes no offer.
    if (this.state !== 'stable') return;
    this.state = 'have-local-offer';
    this.wanted = false;
    this.#send(offer);
  }

  #send(description: NegotiationEvent): void {
    this.#pending = (description as { sdp: string }).sdp;
    const usernameFragment = `${this.side}${this.#generation}`;
    this.#toServer.push(
      description,
      { kind: 'candidate', candidate: { candidate: 'c', sdpMid: '0', sdpMLineIndex: 0, usernameFragment } },
      { kind: 'end_of_candidates', usernameFragment },
    );
  }

  #reachServer(): void {
    const part = this.#toServer.shift();
    if (!part) return;
    try {
      const { record, forward } = apply(this.server.record, this.side, part);
      this.server.record = record;
      if (forward) this.peer.#fromServer.push(forward);
    } catch (error) {
      const { code, message } = error as FlotillaError;
      const ofLostOffer = code === 'WRONG_STATE' && message.includes('generation');
      if (code !== 'GLARE' && !ofLostOffer) this.unexpected.push(`${part.kind}: ${message}`);
      if (this.side === 'second') this.unexpected.push(`the impolite side is refused: ${message}`);
    }
  }

  #receive(): void {
    const part = this.#fromServer.shift();
    if (part?.kind === 'answer') {
      if (this.state !== 'have-local-offer') return void this.unexpected.push(`an answer in ${this.state}`);
      this.state = 'stable';
      this.agreed = `${this.#pending} ${part.sdp}`;
    }
    if (part?.kind !== 'offer') return;
    const collision = this.#made !== undefined || this.state !== 'stable';
    if (collision && this.side === 'second') return;
    // The polite side rolls its offer back; what it was for is still wanted.
    if (collision) this.wanted = true;
    this.#made = undefined;
    this.state = 'stable';
    const answer = this.#describe('answer') as NegotiationEvent & { sdp: string };
    this.agreed = `${part.sdp} ${answer.sdp}`;
    this.#send(answer);
  }
}
