/** The rooms of a process. A room is opened once, however many calls wait for it. */
export class OpenRooms<Room extends { readonly id: string; close(): void }> implements Iterable<Room> {
  /** By id; includes rooms that are being opened. */
  readonly #rooms = new Map<string, Promise<Room>>();
  readonly #opened = new Set<Room>();

  constructor(private readonly openRoom: (id: string) => Promise<Room>) {}

  /** The room, opened if it is not open. Rejects as opening does; the next call opens it again. */
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

  /** The room when it is open or being opened. */
  get(id: string): Promise<Room> | undefined {
    return this.#rooms.get(id);
  }

  /** Closes a room; a second time does nothing. */
  close(room: Room): void {
    if (!this.#opened.delete(room)) return;
    this.#rooms.delete(room.id);
    room.close();
  }

  get size(): number {
    return this.#opened.size;
  }

  /** The open rooms. */
  [Symbol.iterator](): Iterator<Room> {
    return this.#opened.values();
  }
}
