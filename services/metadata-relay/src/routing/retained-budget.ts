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

/**
 * Deletes a value whose publisher has left the room; for a user, one of its own, also of a participant that is reconnecting. Returns false
 * when there is none.
 */
export type Evict = (user?: string) => boolean;

/** Whose limit refuses a value. */
export type RetainedLimit = 'user' | 'room';

/** What the retained values of a room take. At a limit, values are evicted before a new one is refused; see `Evict`. */
export class RetainedBudget {
  readonly #room: Account = { values: 0, bytes: 0 };
  readonly #users = new Map<string, Account>();

  constructor(private readonly evict: Evict) {}

  /** The share of a user. Participants without a known user have one each. */
  shareOf(user: string): RetainedShare {
    return new RetainedShare(this, user);
  }

  /** Reserves a place. Returns the limit that refuses it. */
  take(user: string, values: number, bytes: number): RetainedLimit | undefined {
    const own = (): Account => this.#users.get(user) ?? { values: 0, bytes: 0 };
    const fitsUser = (): boolean =>
      own().values + values <= maxRetainedValuesPerUser && own().bytes + bytes <= maxRetainedUserBytes;
    const fitsRoom = (): boolean =>
      this.#room.values + values <= maxRetainedValues && this.#room.bytes + bytes <= maxRetainedRoomBytes;
    while (!fitsUser()) if (!this.evict(user)) return 'user';
    while (!fitsRoom()) if (!this.evict()) return 'room';
    this.#change(user, values, bytes);
    return undefined;
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

  /** Reserves a place for a value. Returns the limit that refuses it. */
  takeValue(): RetainedLimit | undefined {
    return this.budget.take(this.user, 1, 0);
  }
  releaseValue(): void {
    this.budget.release(this.user, 1, 0);
  }

  /** Reserves bytes. Returns the limit that refuses them. */
  takeBytes(bytes: number): RetainedLimit | undefined {
    return this.budget.take(this.user, 0, bytes);
  }
  releaseBytes(bytes: number): void {
    this.budget.release(this.user, 0, bytes);
  }
}
