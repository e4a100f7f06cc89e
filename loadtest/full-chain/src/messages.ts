/** When the messages of an open model are to be sent: as many as the users send, however long the load generator or the fleet takes. */
export class MessageTimes {
  /** Messages that are not due yet, as a part of one. */
  #rest = 0;

  /** @param perMinute messages of a user. @param last when the first users may have come, in ms. */
  constructor(
    private readonly perMinute: number,
    private last = 0,
  ) {}

  /** Returns the times, in ms, since the last call until now at which one of that many users was to send a message. */
  due(now: number, users: number): number[] {
    const { last } = this;
    this.last = now;
    const exact = this.#rest + ((now - last) * users * this.perMinute) / 60_000;
    const count = Math.floor(exact);
    this.#rest = exact - count;
    return Array.from({ length: count }, (_, index) => last + ((index + 1) * (now - last)) / count);
  }
}
