import type { Address, ReplyPayload, RequestType, signalRequests } from '@flotilla/contracts';
import type { z } from 'zod';
import type { Session } from '../sessions/session.ts';

/** A parsed request. `roomId` is empty for a request that is not about a room. */
export interface Received<T extends RequestType> {
  readonly session: Session;
  readonly payload: z.output<(typeof signalRequests)[T]['payload']>;
  readonly roomId: string;
  readonly to: Address | undefined;
}

/** A reply, and what to do after it was sent. */
export class ReplyThen<T> {
  constructor(
    readonly payload: T,
    readonly afterwards: () => void,
  ) {}
}

type Reply<T extends RequestType> = ReplyPayload<T> | ReplyThen<ReplyPayload<T>>;

/** How one type of request is handled. Its grants, see `requestGrants`, are checked right before `handle`. */
export interface RequestHandler<T extends RequestType> {
  /** Requests of one session with the same key are handled one after another, in order of arrival. */
  readonly orderKey?: (received: Received<T>) => string;
  readonly handle: (received: Received<T>) => Reply<T> | Promise<Reply<T>>;
}

/** The handlers of all requests in the contract. A missing or unknown type does not compile. */
export type RequestHandlers = { readonly [T in RequestType]: RequestHandler<T> };
