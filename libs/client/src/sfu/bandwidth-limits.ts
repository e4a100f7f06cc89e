import type { RoomState } from '../room/room-state.ts';
import type { SfuLinks } from './links.ts';

/** Transports whose lists are kept: a list may arrive before its link is the current one. */
const maxTransports = 4;

/** What SFU nodes have paused because the downlink is too narrow. The list for the transport of the current link applies. */
export class BandwidthLimits {
  /** Publications by receive transport, the one with the newest list last. */
  readonly #limited = new Map<string, ReadonlySet<string>>();

  constructor(
    private readonly state: RoomState,
    private readonly links: SfuLinks,
  ) {
    state.changes.on('publicationAnnounced', (publication) => this.#apply(publication.id));
  }

  /** A node notified: the list replaces the previous one of the transport. */
  set(transportId: string, publicationIds: readonly string[]): void {
    this.#limited.delete(transportId);
    this.#limited.set(transportId, new Set(publicationIds));
    for (const id of [...this.#limited.keys()].slice(0, -maxTransports)) this.#limited.delete(id);
    this.apply();
  }

  /** Brings all publications in line, also after another link became the current one. */
  apply(): void {
    for (const { id } of this.state.remotePublications()) this.#apply(id);
  }

  #apply(id: string): void {
    const publication = this.state.findPublication(id);
    const limited = this.#limited.get(this.links.current?.recvTransportId ?? '');
    if (publication) this.state.setPausedForBandwidth(publication, limited?.has(id) ?? false);
  }
}
