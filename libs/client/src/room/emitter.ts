type Listener<A extends unknown[]> = (...args: A) => void;

/** Typed events: `E` maps an event's name to the arguments of its listeners. */
export class Emitter<E extends Record<string, unknown[]>> {
  readonly #listeners = new Map<keyof E, Set<Listener<never>>>();

  /** Calls `listener` at each event of that name. Returns a function that removes the listener. */
  on<K extends keyof E>(name: K, listener: Listener<E[K]>): () => void {
    let listeners = this.#listeners.get(name);
    if (!listeners) this.#listeners.set(name, (listeners = new Set()));
    listeners.add(listener);
    return () => this.off(name, listener);
  }

  /** Calls `listener` at the next event of that name. */
  once<K extends keyof E>(name: K, listener: Listener<E[K]>): () => void {
    const stop = this.on(name, (...args: E[K]) => {
      stop();
      listener(...args);
    });
    return stop;
  }

  off<K extends keyof E>(name: K, listener: Listener<E[K]>): void {
    this.#listeners.get(name)?.delete(listener);
  }

  /** @internal An error thrown by a listener is reported with `reportError`; the other listeners are still called. */
  emit<K extends keyof E>(name: K, ...args: E[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as Listener<E[K]>)(...args);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
