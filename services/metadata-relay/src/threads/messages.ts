import type { ErrorBody, RetainedMessage } from '@flotilla/contracts';
import type { LinkLimits } from '../routing/link-state.ts';
import type { RoutingCall } from '../routing/routing.ts';

/** What the routing thread is started with. */
export interface ThreadData {
  readonly incoming: SharedArrayBuffer;
  readonly outgoing: SharedArrayBuffer;
  /** What the fleet's time is ahead of `process.hrtime`, microseconds. */
  readonly timeOffset: SharedArrayBuffer;
  readonly limits: LinkLimits;
}

/** A call of a room's routing. Rooms and links go by numbers that are never used again. */
export interface Call {
  readonly room: number;
  readonly call: RoutingCall;
  readonly args: readonly unknown[];
  /** The number of the link that `open` is about. */
  readonly link?: number;
  /** Of calls that are answered. */
  readonly id?: number;
}

/** What the thread says by messages: what is large, or rare. */
export type ThreadWord =
  | { readonly say: 'answer'; readonly id: number; readonly result?: unknown; readonly error?: ErrorBody }
  | { readonly say: 'retain'; readonly room: number; readonly message: RetainedMessage }
  | { readonly say: 'forget'; readonly room: number; readonly topic: string; readonly publisherId: string }
  | { readonly say: 'counted'; readonly counts: readonly Counted[] };

/** What a counter of the thread rose by. */
export interface Counted {
  readonly name: string;
  readonly labels: Record<string, string | number>;
  readonly by: number;
}
