import { FlotillaError, type NegotiationState, type NegotiationEvent } from '@flotilla/contracts';
import { apply, type PairRecord, type Side } from '../src/negotiation/pair.ts';

/**
 * A client with perfect negotiation (W3C WebRTC section 10.7) over a server that applies its messages. The test moves each
 * message step by step: created, sent, received by the server, received by the other client.
 */
export class NegotiatingClient {
  peer!: NegotiatingClient;
  state: NegotiationState = 'stable';
  needsNegotiation = false;
  /** The descriptions of the last completed exchange; the same on both sides. */
  agreed = '';
  readonly unexpected: string[] = [];
  #pending = '';
  #generation = 0;
  #created: NegotiationEvent | undefined;
  readonly #toServer: NegotiationEvent[] = [];
  readonly #fromServer: NegotiationEvent[] = [];

  constructor(
    private readonly side: Side,
    private readonly server: { record: PairRecord },
  ) {}

  /** A track was added, or ICE is to be restarted. */
  negotiate(): void {
    this.needsNegotiation = true;
  }

  get busy(): boolean {
    return this.#canCreate || this.#created !== undefined || this.#toServer.length + this.#fromServer.length > 0;
  }

  get #canCreate(): boolean {
    return this.needsNegotiation && this.state === 'stable' && !this.#created;
  }

  /** 0: creates an offer, or sends the one it created; 1: the server receives a message; 2: the client receives one. */
  step(queue: number): void {
    if (queue === 0 && this.#created) this.#sendOffer(this.#created);
    else if (queue === 0 && this.#canCreate) this.#created = this.#describe('offer');
    if (queue === 1) this.#reachServer();
    if (queue === 2) this.#receive();
  }

  #describe(kind: 'offer' | 'answer'): NegotiationEvent {
    return { kind, sdp: `a=ice-ufrag:${this.side}${++this.#generation}\r\n`, streams: [] };
  }

  #sendOffer(offer: NegotiationEvent): void {
    this.#created = undefined;
    // A message received since its creation may have changed the state; setLocalDescription() then discards the offer.
    if (this.state !== 'stable') return;
    this.state = 'have-local-offer';
    this.needsNegotiation = false;
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
    const collision = this.#created !== undefined || this.state !== 'stable';
    if (collision && this.side === 'second') return;
    // The polite side rolls its offer back, and still needs to negotiate.
    if (collision) this.needsNegotiation = true;
    this.#created = undefined;
    this.state = 'stable';
    const answer = this.#describe('answer') as NegotiationEvent & { sdp: string };
    this.agreed = `${part.sdp} ${answer.sdp}`;
    this.#send(answer);
  }
}
