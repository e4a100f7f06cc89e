import {
  type ConnectionEventType,
  type Offset,
  type SignalEventPayload,
  systemAddress,
  userAddress,
} from '@flotilla/contracts';
import { textFrame } from './websocket-frames.ts';

/** Frame of an event that has an offset in a stream. Encoded once for all of its recipients. */
export function eventFrame(
  to: string,
  seq: Offset,
  { type, from, payload }: { type: string; from: string; payload: unknown },
): Buffer {
  return textFrame(JSON.stringify({ seq, type, from, to, routedAt: Date.now(), payload }));
}

/** Frame of an event about a connection. */
export function connectionEventFrame<T extends ConnectionEventType>(
  userId: string,
  type: T,
  payload: SignalEventPayload<T>,
): Buffer {
  const to = userAddress(userId);
  return textFrame(JSON.stringify({ type, from: systemAddress, to, routedAt: Date.now(), payload }));
}
