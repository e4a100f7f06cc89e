import type { RemotePublication } from '../room/remote-publication.ts';
import type { RoomState } from '../room/room-state.ts';
import type { SfuLinks } from './links.ts';

/** Transports whose lists are kept: a list may arrive before its link is the current one. */
const maxTransports = 4;
const none: ReadonlySet<string> = new Set();

/** What SFU nodes have paused because the downlink is too narrow. The list for the transport of the current link applies. */
export class BandwidthLimits {
  /** Publications by receive transport, the one with the newest list last. */
  readonly #limited = new Map<string, ReadonlySet<string>>();
  /** The list that publications are in line with. */
  #applied = none;

  constructor(
    private readonly state: RoomState,
    private readonly links: SfuLinks,
  ) {
    state.changes.on('publicationAnnounced', (publication) => this.#set(publication));
  }

  /** A node notified: the list replaces the previous one of the transport. */
  set(transportId: string, publicationIds: readonly string[]): void {
    this.#limited.delete(transportId);
    this.#limited.set(transportId, new Set(publicationIds));
    for (const id of [...this.#limited.keys()].slice(0, -maxTransports)) this.#limited.delete(id);
    this.apply();
  }

  /** Lists may have been missed: none applies until the next one, which nodes repeat. */
  clear(): void {
    this.#limited.clear();
    this.apply();
  }

  /** Whether the node of a receive transport has paused a publication. */
  has(transportId: string, publicationId: string): boolean {
    return this.#limited.get(transportId)?.has(publicationId) ?? false;
  }

  /** Brings publications in line, also after another link became the current one. */
  apply(): void {
    const previous = this.#applied;
    this.#applied = this.#limited.get(this.links.current?.recvTransportId ?? '') ?? none;
    for (const id of new Set([...previous, ...this.#applied])) {
      if (previous.has(id) === this.#applied.has(id)) continue;
      const publication = this.state.findPublication(id);
      if (publication) this.#set(publication);
    }
  }

  #set(publication: RemotePublication): void {
    this.state.setPausedForBandwidth(publication, this.#applied.has(publication.id));
  }
}
