import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { FlotillaError, type IceServer } from '@flotilla/contracts';
import { readDescription } from './description.ts';
import type { EndReason } from './fleet-session.ts';
import { readIceFragment } from './ice-fragment.ts';
import type { Opened } from './opened.ts';
import { Problem } from './problem.ts';
import { writeIceFragment } from './server-description.ts';

const digest = (token: string): Buffer => createHash('sha256').update(token).digest();
/** A strong entity tag (RFC 9110, section 8.8.3) of an ICE session. */
const newEtag = (): string => `"${randomBytes(12).toString('base64url')}"`;

/** A WHIP or WHEP session: what `Location` names. */
export class Resource {
  /** Unguessable: 144 random bits. */
  readonly id = randomBytes(18).toString('base64url');
  #etag = newEtag();
  #iceUfrag: string | undefined;
  #answered: boolean;
  #answering = false;
  #expiry: NodeJS.Timeout | undefined;
  readonly #tokenDigest: Buffer;
  readonly #isAccepted: () => boolean;

  constructor(
    private readonly opened: Opened,
    options: {
      readonly token: string;
      /** Username fragment of the client, unless it comes with the answer to a counter-offer. */
      readonly iceUfrag: string | undefined;
      readonly answerWithinMs: number;
      readonly isAccepted: () => boolean;
      readonly onEnded: (reason: EndReason) => void;
    },
  ) {
    const { token, iceUfrag, answerWithinMs, isAccepted, onEnded } = options;
    this.#tokenDigest = digest(token);
    this.#isAccepted = isAccepted;
    this.#iceUfrag = iceUfrag;
    this.#answered = opened.accept === undefined;
    opened.session.onEnded = (reason) => {
      clearTimeout(this.#expiry);
      onEnded(reason);
    };
    if (!this.#answered) this.#expiry = setTimeout(() => this.end('not_answered'), answerWithinMs);
  }

  get etag(): string {
    return this.#etag;
  }

  get description(): string {
    return this.opened.description;
  }

  get isCounterOffer(): boolean {
    return this.opened.accept !== undefined;
  }

  get iceServers(): readonly IceServer[] {
    return this.opened.iceServers;
  }

  get participantId(): string {
    return this.opened.session.participantId;
  }

  get ended(): boolean {
    return this.opened.session.ended;
  }

  /** Whether a request has the token that created the resource. */
  isAuthorized(token: string): boolean {
    return timingSafeEqual(digest(token), this.#tokenDigest);
  }

  /** Ends the resource unless the bearer token that created it is still accepted. */
  endIfRevoked(): void {
    if (!this.#isAccepted()) this.end('key_removed');
  }

  /** Takes the answer to the counter-offer. */
  async answer(text: string): Promise<void> {
    const { accept } = this.opened;
    if (!accept) throw new Problem(409, 'the resource was answered in the POST: there is no counter-offer');
    const description = readDescription(text);
    if (this.#answered || this.#answering) throw new Problem(409, 'the counter-offer was answered already');
    this.#answering = true;
    try {
      await accept(description);
      this.#answered = true;
      this.#iceUfrag = description.iceUfrag;
      clearTimeout(this.#expiry);
    } finally {
      this.#answering = false;
    }
  }

  /**
   * Takes an ICE fragment with its precondition. Returns the fragment of the server when ICE was restarted: with `*`, and with
   * other credentials of the client. Otherwise it has further candidates, which an ICE-lite server does not need.
   */
  async patchIce(ifMatch: string | undefined, text: string): Promise<string | undefined> {
    if (ifMatch === undefined) throw new Problem(428, 'If-Match is missing: the ETag of the ICE session, or *');
    if (!this.#answered) throw new Problem(409, 'the counter-offer was not answered yet');
    const { iceUfrag } = readIceFragment(text);
    if (ifMatch.trim() !== '*' && !tagsOf(ifMatch).includes(this.#etag))
      throw new Problem(412, 'If-Match is not the ETag of the current ICE session');
    if (ifMatch.trim() !== '*' && iceUfrag === this.#iceUfrag) return undefined;
    const { session, transport, mid } = this.opened;
    const { iceParameters } = await session.request('restart_ice', { transportId: transport.id });
    this.#iceUfrag = iceUfrag;
    this.#etag = newEtag();
    return writeIceFragment(transport, iceParameters, mid);
  }

  end(reason: EndReason): void {
    this.opened.session.end(reason);
  }
}

const tagsOf = (ifMatch: string): string[] => ifMatch.split(',').map((tag) => tag.trim());

/** The session ended while it was set up. */
export const endedMeanwhile = (): FlotillaError =>
  new FlotillaError('NODE_UNAVAILABLE', 'the session ended while it was set up');
