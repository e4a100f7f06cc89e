/** Maximum number of publishers that are known to be absent; the oldest is dropped. */
const maxAbsent = 8192;

/**
 * Publishers that have left the room, and those that may publish no more (`barred`). The events of a room and the frames of other relays come
 * in any order, therefore both are remembered.
 */
export class AbsentPublishers {
  readonly #why = new Map<string, 'left' | 'barred'>();

  /** One that is barred remains so when it leaves. */
  add(publisherId: string, why: 'left' | 'barred'): void {
    const known = this.#why.get(publisherId);
    this.#why.delete(publisherId);
    this.#why.set(publisherId, known === 'barred' ? known : why);
    if (this.#why.size > maxAbsent) this.#why.delete(this.#why.keys().next().value!);
  }

  delete(publisherId: string): void {
    this.#why.delete(publisherId);
  }

  clear(): void {
    this.#why.clear();
  }

  has(publisherId: string): boolean {
    return this.#why.has(publisherId);
  }

  isBarred(publisherId: string): boolean {
    return this.#why.get(publisherId) === 'barred';
  }
}
