/** The rooms of a process: each is opened once, however many ask for it at the same time. */
export class OpenRooms<Room extends { readonly id: string; close(): void }> implements Iterable<Room> {
  /** By id, those that are being opened too. */
  readonly #rooms = new Map<string, Promise<Room>>();
  readonly #opened = new Set<Room>();

  constructor(private readonly openRoom: (id: string) => Promise<Room>) {}

  /** The room, opened if it is not here yet. Rejects as opening does, and can be tried again then. */
  open(id: string): Promise<Room> {
    let opening = this.#rooms.get(id);
    if (!opening) {
      opening = this.#open(id);
      this.#rooms.set(id, opening);
      opening.catch(() => this.#rooms.delete(id));
    }
    return opening;
  }

  async #open(id: string): Promise<Room> {
    const room = await this.openRoom(id);
    this.#opened.add(room);
    return room;
  }

  /** The room when it is here, or about to be. */
  get(id: string): Promise<Room> | undefined {
    return this.#rooms.get(id);
  }

  /** Closing it again changes nothing. */
  close(room: Room): void {
    if (!this.#opened.delete(room)) return;
    this.#rooms.delete(room.id);
    room.close();
  }

  get size(): number {
    return this.#opened.size;
  }

  /** Those that are open. */
  [Symbol.iterator](): Iterator<Room> {
    return this.#opened.values();
  }
}
