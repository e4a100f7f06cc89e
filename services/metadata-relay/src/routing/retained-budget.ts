import {
  maxRetainedRoomBytes,
  maxRetainedUserBytes,
  maxRetainedValues,
  maxRetainedValuesPerUser,
} from '@flotilla/contracts';

/** What the values of one user take. */
interface Account {
  values: number;
  bytes: number;
}

/** Deletes a value whose publisher has left the room: one of the user, or without one of any. Returns false when there is none. */
export type Evict = (user?: string) => boolean;

/** What the retained values of a room take. At a limit, values of publishers that have left are evicted before a new one is refused. */
export class RetainedBudget {
  readonly #room: Account = { values: 0, bytes: 0 };
  readonly #users = new Map<string, Account>();

  constructor(private readonly evict: Evict) {}

  /** The share of a user. Participants without a known user have one each. */
  shareOf(user: string): RetainedShare {
    return new RetainedShare(this, user);
  }

  /** Whether it was reserved. */
  take(user: string, values: number, bytes: number): boolean {
    const own = (): Account => this.#users.get(user) ?? { values: 0, bytes: 0 };
    const fitsUser = (): boolean =>
      own().values + values <= maxRetainedValuesPerUser && own().bytes + bytes <= maxRetainedUserBytes;
    const fitsRoom = (): boolean =>
      this.#room.values + values <= maxRetainedValues && this.#room.bytes + bytes <= maxRetainedRoomBytes;
    while (!fitsUser()) if (!this.evict(user)) return false;
    while (!fitsRoom()) if (!this.evict()) return false;
    this.#change(user, values, bytes);
    return true;
  }

  release(user: string, values: number, bytes: number): void {
    this.#change(user, -values, -bytes);
  }

  #change(user: string, values: number, bytes: number): void {
    const own = this.#users.get(user) ?? { values: 0, bytes: 0 };
    for (const account of [own, this.#room]) {
      account.values += values;
      account.bytes += bytes;
    }
    if (own.values === 0 && own.bytes === 0) this.#users.delete(user);
    else this.#users.set(user, own);
  }
}

/** The budget as the values of one user take from it. */
export class RetainedShare {
  constructor(
    private readonly budget: RetainedBudget,
    private readonly user: string,
  ) {}

  /** Reserves a place for a value. */
  takeValue(): boolean {
    return this.budget.take(this.user, 1, 0);
  }
  releaseValue(): void {
    this.budget.release(this.user, 1, 0);
  }

  /** Reserves bytes. */
  takeBytes(bytes: number): boolean {
    return this.budget.take(this.user, 0, bytes);
  }
  releaseBytes(bytes: number): void {
    this.budget.release(this.user, 0, bytes);
  }
}
