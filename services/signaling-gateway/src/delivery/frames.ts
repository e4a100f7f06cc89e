import {
  type ConnectionEventType,
  type Offset,
  type SignalEventPayload,
  systemAddress,
  userAddress,
} from '@flotilla/contracts';
import type { Session } from '../sessions/session.ts';
import { textFrame } from './websocket-frames.ts';

/** A numbered event as a client gets it. Made once for all who get it. */
export function eventFrame(
  to: string,
  seq: Offset,
  { type, from, payload }: { type: string; from: string; payload: unknown },
): Buffer {
  return textFrame(JSON.stringify({ seq, type, from, to, routedAt: Date.now(), payload }));
}

/** Tells a session something about its connection. */
export function tell<T extends ConnectionEventType>(session: Session, type: T, payload: SignalEventPayload<T>): void {
  const to = userAddress(session.identity.userId);
  session.send(textFrame(JSON.stringify({ type, from: systemAddress, to, routedAt: Date.now(), payload })));
}
