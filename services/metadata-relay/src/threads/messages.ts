import type { ErrorBody, RetainedMessage } from '@flotilla/contracts';
import type { LinkLimits } from '../routing/link-state.ts';
import type { RoutingCall } from '../routing/routing.ts';

/** Initial data of the routing thread. */
export interface ThreadData {
  readonly incoming: SharedArrayBuffer;
  readonly outgoing: SharedArrayBuffer;
  /** The fleet's time minus `process.hrtime`, in microseconds. */
  readonly timeOffset: SharedArrayBuffer;
  readonly limits: LinkLimits;
}

/** A method call on a room's routing. Rooms and links are identified by numbers that are not reused. */
export interface Call {
  readonly room: number;
  readonly call: RoutingCall;
  readonly args: readonly unknown[];
  /** Number of the link that `open` adds. */
  readonly link?: number;
  /** Set for calls that are answered. */
  readonly id?: number;
}

/** Messages from the routing thread, for operations that are large or rare. Frequent ones use the ring. */
export type ThreadMessage =
  | { readonly type: 'answer'; readonly id: number; readonly result?: unknown; readonly error?: ErrorBody }
  | { readonly type: 'retain'; readonly room: number; readonly message: RetainedMessage }
  | { readonly type: 'forget'; readonly room: number; readonly topic: string; readonly publisherId: string }
  | { readonly type: 'counters'; readonly increases: readonly CounterIncrease[] };

/** The increase of one counter in the routing thread. */
export interface CounterIncrease {
  readonly name: string;
  readonly labels: Record<string, string | number>;
  readonly by: number;
}
