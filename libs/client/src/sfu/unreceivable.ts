/** What is known of a publication, for the producer that it has: with another one, the publication is received like any other. */
interface Finding {
  readonly producerId: string;
  /** `suspected`: the browser refused it, or another one that it was received together with. `refused`: the browser refused it again, alone. */
  readonly is: 'suspected' | 'refused';
}

/**
 * The publications that this browser refuses to receive. mediasoup-client keeps what the browser refused in the description of the
 * transport, so nothing further is received over it: media is opened again, the suspected publications are received one by one
 * there, after the others, and the one that is refused then is left out.
 */
export class Unreceivable {
  readonly #findings = new Map<string, Finding>();

  suspect(publicationId: string, producerId: string): void {
    this.#findings.set(publicationId, { producerId, is: 'suspected' });
  }

  refuse(publicationId: string, producerId: string): void {
    this.#findings.set(publicationId, { producerId, is: 'refused' });
  }

  isSuspected(publicationId: string, producerId: string): boolean {
    return this.#is('suspected', publicationId, producerId);
  }

  isRefused(publicationId: string, producerId: string): boolean {
    return this.#is('refused', publicationId, producerId);
  }

  #is(what: Finding['is'], publicationId: string, producerId: string): boolean {
    const finding = this.#findings.get(publicationId);
    return finding?.producerId === producerId && finding.is === what;
  }

  /** The publication is received, or has ended. */
  forget(publicationId: string): void {
    this.#findings.delete(publicationId);
  }
}
