import { FlotillaError, type ReplyPayload, type Subscription } from '@flotilla/contracts';
import type { Consumer } from 'mediasoup-client/types';
import { LatestValue } from '../room/latest-value.ts';
import type { RemotePublication } from '../room/remote-publication.ts';
import type { SubscriptionSettings } from '../room/subscription-settings.ts';
import { noProducer, type RoomState } from '../room/room-state.ts';
import { isUnanswered } from '../signaling/repeat.ts';
import { chunks } from './chunks.ts';
import { firstMedia } from './first-media.ts';
import type { SfuLinks } from './links.ts';
import type { MediaLink } from './media-link.ts';
import { retryPausesMs } from './retry.ts';
import type { Unreceivable } from './unreceivable.ts';

/** How long a change of settings is repeated while its reply is missing, in milliseconds. */
const updateWithinMs = 15_000;
/** Interval of further attempts after the retries of a subscription have ended, in milliseconds. */
const slowRetryMs = 30_000;

/**
 * Brings what the current SFU node sends in line with what the application subscribed to. Of each publication one request
 * is in flight at a time on a link, and when it ends the state is compared again, so the last call of the application wins.
 */
export class Subscriptions {
  readonly #state: RoomState;
  readonly #links: SfuLinks;
  readonly #unreceivable: Unreceivable;
  readonly #onMediaLost: () => void;
  /** Publications to compare at the next turn. */
  readonly #pending = new Set<string>();
  /** The link of the request in flight, by publication. The node of a link that was left may never answer. */
  readonly #inFlight = new Map<string, MediaLink>();
  /** Consumers that the node may not have begun to send: their subscriptions start paused. */
  readonly #unstarted = new WeakSet<Consumer>();
  /** Publications whose settings did not reach the node. */
  readonly #unsent = new Set<string>();
  /** Failed attempts in a row, by publication. */
  readonly #failures = new Map<string, number>();
  /** Callers that wait until a publication is in line. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  readonly #settings = new WeakMap<RemotePublication, LatestValue<SubscriptionSettings>>();
  /** Requests that let subscriptions begin, by publication: later settings must not overtake them. */
  readonly #resuming = new Map<string, Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onMediaLost called when the node no longer has the session's media. */
  constructor(state: RoomState, links: SfuLinks, unreceivable: Unreceivable, onMediaLost: () => void) {
    this.#state = state;
    this.#links = links;
    this.#unreceivable = unreceivable;
    this.#onMediaLost = onMediaLost;
    state.changes.on('publicationAnnounced', (publication) => this.#announced(publication));
    state.changes.on('grantsChanged', () => this.#applyGrants());
    state.changes.on('publicationRemoved', (id) => {
      links.drop(id);
      this.#unsent.delete(id);
      this.#settle(id);
    });
    state.changes.on('connected', () => this.#connected());
    state.changes.on('closed', () => {
      clearTimeout(this.#timer);
      for (const id of [...this.#waiting.keys()]) this.#settle(id);
    });
  }

  /** What was given up while there was no connection is requested again. */
  #connected(): void {
    this.#failures.clear();
    this.compareAll();
    for (const id of [...this.#unsent]) {
      const publication = this.#state.findPublication(id);
      if (publication) void this.applySettings(publication).catch(() => undefined);
    }
  }

  #applyGrants(): void {
    if (this.#maySubscribe) return this.compareAll();
    for (const publication of this.#state.remotePublications()) {
      this.#links.drop(publication.id);
      this.#state.setTrack(publication, undefined);
    }
  }

  get #maySubscribe(): boolean {
    return this.#state.me.grants.includes('subscribe');
  }

  #announced(publication: RemotePublication): void {
    const received = this.#links.current?.consumer(publication.id);
    if (publication.subscribed && received?.producerId === publication.announced.producerId)
      this.#play(publication, received);
    else this.#compareSoon(publication.id);
  }

  /** `publication.subscribed` was set. Rejects when the publication cannot be received. */
  applySubscribed(publication: RemotePublication): Promise<void> {
    const { id } = publication;
    if (!publication.subscribed) {
      this.#links.drop(id);
      this.#state.setTrack(publication, undefined);
    }
    this.#failures.delete(id);
    let waiting = this.#waiting.get(id);
    if (!waiting) this.#waiting.set(id, (waiting = Promise.withResolvers()));
    this.#compareSoon(id);
    return waiting.promise;
  }

  /** Compares every publication with what the current link receives. */
  compareAll(): void {
    for (const { id } of this.#state.remotePublications()) this.#compareSoon(id);
  }

  /** The node of a link no longer sends these publications, which continue. */
  ended(link: MediaLink, publicationIds: readonly string[]): void {
    for (const id of publicationIds) {
      link.drop(id);
      this.#compareSoon(id);
    }
  }

  /** Collects the publications of one turn into one request. */
  #compareSoon(publicationId: string): void {
    this.#pending.add(publicationId);
    this.#timer ??= setTimeout(() => this.#compare());
  }

  #compare(): void {
    this.#timer = undefined;
    const link = this.#links.current;
    // The next link compares everything.
    if (!link || link.closed || link.cannotReceive || !this.#state.isOpen) return;
    const subscribe: string[] = [];
    const unsubscribe: string[] = [];
    for (const id of [...this.#pending]) {
      // Compared again when the request ends.
      if (this.#inFlight.get(id) === link) continue;
      this.#pending.delete(id);
      const publication = this.#state.findPublication(id);
      const isRefused = publication !== undefined && this.#isRefused(publication);
      if (publication && !isRefused && this.#maySubscribe && this.#isMissing(publication, link)) subscribe.push(id);
      else if (publication && (isRefused || !publication.subscribed) && link.mayReceive(id)) unsubscribe.push(id);
      else this.#settle(id, publication?.subscribed ? this.#refusalOf(publication) : undefined);
    }
    for (const ids of chunks(subscribe)) void this.#send(link, ids, () => this.#subscribe(link, ids));
    for (const ids of chunks(unsubscribe)) void this.#send(link, ids, () => link.unsubscribe(ids).then(() => []));
  }

  /** Subscribed to, but not received or not begun, or received from a producer that was replaced meanwhile. */
  #isMissing({ id, subscribed, announced }: RemotePublication, link: MediaLink): boolean {
    if (!subscribed || announced.producerId === noProducer) return false;
    const consumer = link.consumer(id);
    return consumer?.producerId !== announced.producerId || this.#unstarted.has(consumer);
  }

  #isRefused({ id, announced }: RemotePublication): boolean {
    return this.#unreceivable.isRefused(id, announced.producerId);
  }

  /** Why a publication cannot be received. */
  #refusalOf(publication: RemotePublication): FlotillaError | undefined {
    if (!this.#maySubscribe) return noGrant();
    return this.#isRefused(publication)
      ? new FlotillaError('MEDIA_UNSUPPORTED', 'the browser refuses to receive this publication')
      : undefined;
  }

  async #subscribe(link: MediaLink, ids: readonly string[]): Promise<ReplyPayload<'subscribe'>['failed']> {
    const { subscriptions, failed } = await link.subscribe(ids);
    await this.receive(link, subscriptions);
    return failed;
  }

  /** @param request resolves with the publications that failed. */
  async #send(
    link: MediaLink,
    ids: readonly string[],
    request: () => Promise<ReplyPayload<'subscribe'>['failed']>,
  ): Promise<void> {
    for (const id of ids) this.#inFlight.set(id, link);
    const failures = new Map<string, FlotillaError>();
    try {
      for (const { publicationId, error } of await request())
        failures.set(publicationId, new FlotillaError(error.code, error.message));
    } catch (error) {
      for (const id of ids) failures.set(id, FlotillaError.from(error));
    }
    for (const id of ids) if (this.#inFlight.get(id) === link) this.#inFlight.delete(id);
    if (!this.#state.isOpen) return;
    if (link !== this.#links.current) {
      for (const id of ids) this.#compareSoon(id);
      return;
    }
    for (const id of ids) {
      const failure = failures.get(id);
      if (failure) this.#retry(id, failure);
      else this.#finished(link, id);
    }
    // Reopened media brings its subscriptions along and compares everything.
    if ([...failures.values()].some(({ code }) => code === 'MEDIA_NOT_OPEN')) this.#onMediaLost();
  }

  #finished(link: MediaLink, id: string): void {
    this.#failures.delete(id);
    const publication = this.#state.findPublication(id);
    const isRefused = publication !== undefined && this.#isRefused(publication);
    const isWanted = this.#maySubscribe && publication?.subscribed === true && !isRefused;
    const isChanged = isWanted !== (link.consumer(id) !== undefined) || (isRefused && link.mayReceive(id));
    if (isChanged || this.#pending.has(id)) this.#compareSoon(id);
    else this.#settle(id, publication?.subscribed ? this.#refusalOf(publication) : undefined);
  }

  #retry(id: string, error: FlotillaError): void {
    if (error.code === 'MEDIA_UNSUPPORTED' || error.code === 'FORBIDDEN') {
      this.#failures.delete(id);
      // The application may have changed the subscription while the request was in flight.
      if (this.#state.findPublication(id)?.subscribed === false) this.#compareSoon(id);
      else this.#settle(id, error);
      return;
    }
    const attempt = this.#failures.get(id) ?? 0;
    const pauseMs = retryPausesMs[attempt];
    if (pauseMs === undefined) this.#settle(id, error);
    this.#failures.set(id, attempt + 1);
    setTimeout(() => this.#compareSoon(id), pauseMs ?? slowRetryMs);
  }

  #settle(id: string, error?: FlotillaError): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#failures.delete(id);
    if (error) waiting?.reject(error);
    else waiting?.resolve();
  }

  // Receiving.

  /** Receives what a node sends on this link, and shows it while the link is the current one. */
  async receive(link: MediaLink, subscriptions: readonly Subscription[]): Promise<void> {
    const consumers = await link.receive(subscriptions);
    for (const consumer of consumers.values()) this.#unstarted.add(consumer);
    await this.start(link, subscriptions);
    for (const consumer of consumers.values()) this.#unstarted.delete(consumer);
    if (link !== this.#links.current) return;
    for (const [publicationId, consumer] of consumers) {
      const publication = this.#state.findPublication(publicationId);
      // A publication whose announcement has not arrived yet: `#announced` finds the consumer.
      if (!publication || consumer.closed) continue;
      if (publication.subscribed) this.#play(publication, consumer);
      else {
        link.drop(publicationId);
        this.#compareSoon(publicationId);
      }
    }
  }

  /**
   * Lets subscriptions begin on a link, each with the settings that the application chose: one request for all with the same ones, as a
   * gateway refuses too many at a time.
   */
  async start(link: MediaLink, subscriptions: readonly Subscription[]): Promise<void> {
    const idsBySettings = new Map<string, string[]>();
    for (const { publicationId, paused } of subscriptions) {
      const chosen = this.#state.findPublication(publicationId)?.settings ?? {};
      if (!paused && Object.keys(chosen).length === 0) continue;
      const settings = JSON.stringify({ paused: false, ...chosen });
      const known = idsBySettings.get(settings);
      if (known) known.push(publicationId);
      else idsBySettings.set(settings, [publicationId]);
    }
    const started = Promise.all(
      [...idsBySettings].map(([settings, ids]) =>
        link.updateSubscriptions(ids, JSON.parse(settings) as SubscriptionSettings).catch(unlessEnded),
      ),
    ).then(() => undefined);
    const ids = [...idsBySettings.values()].flat();
    for (const id of ids) this.#resuming.set(id, started);
    try {
      await started;
    } finally {
      for (const id of ids) if (this.#resuming.get(id) === started) this.#resuming.delete(id);
    }
  }

  /** `publication.settings` was replaced. */
  applySettings(publication: RemotePublication): Promise<void> {
    let latest = this.#settings.get(publication);
    if (!latest) this.#settings.set(publication, (latest = new LatestValue(() => this.#sendSettings(publication))));
    return latest.set(publication.settings);
  }

  async #sendSettings(publication: RemotePublication): Promise<void> {
    const { id } = publication;
    await this.#resuming.get(id)?.catch(() => undefined);
    const send = async (): Promise<void> => {
      const settings = { paused: false, ...publication.settings };
      await Promise.all(
        this.#links.active.map((link) => link.updateSubscriptions([id], settings).catch(this.#links.unlessLeft(link))),
      );
    };
    try {
      await this.#state.repeat(send, updateWithinMs, { mayRepeat: mayUpdateLater }).catch(unlessEnded);
      this.#unsent.delete(id);
    } catch (error) {
      if (this.#state.findPublication(id) === publication) this.#unsent.add(id);
      throw error;
    }
  }

  /** Shows what arrives; in place of something that is playing only once there is media to show. */
  #play(publication: RemotePublication, consumer: Consumer): void {
    const { track, id } = publication;
    if (!track || track === consumer.track) return this.#state.setTrack(publication, consumer.track);
    const link = this.#links.current;
    void firstMedia(consumer, { previous: link?.previousConsumer(id) }).then(() => {
      if (this.#links.current !== link || link?.consumer(id) !== consumer || !publication.subscribed) return;
      this.#state.setTrack(publication, consumer.track);
      link.closePrevious(id);
      this.#state.changes.emit('receivedFromSfu', id);
    });
  }
}

const noGrant = (): FlotillaError =>
  new FlotillaError('FORBIDDEN', 'the participant does not have the grant "subscribe"');

/** Errors after which settings are sent again: lost replies, and more requests at a time than the gateway takes. */
const mayUpdateLater = (error: FlotillaError): boolean => isUnanswered(error) || error.code === 'RATE_LIMITED';

/** Drops the error of a subscription that ended with its producer: the next one starts with its settings. The others have theirs. */
function unlessEnded(error: unknown): void {
  if (FlotillaError.from(error).code !== 'SUBSCRIPTION_NOT_FOUND') throw error;
}
