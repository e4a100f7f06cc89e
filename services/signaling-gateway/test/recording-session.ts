import type { Grant } from '@flotilla/contracts';
import { Session } from '../src/sessions/session.ts';

const payloadOf = (frame: Buffer): string => frame.toString('utf8', { 126: 4, 127: 10 }[frame[1]!] ?? 2);

/** A session whose connection only hands on what is sent to it, and may be made slow or be closed. */
export function recordingSession(id: string, hear: (text: string) => void, grants: Grant[] = []) {
  const websocket = { readyState: 1 };
  const connection = { writableLength: 0, write: (frame: Buffer) => hear(payloadOf(frame)) };
  const identity = { id, userId: 'u', grants, bridge: [], expiresAt: Infinity };
  const offsets = { user: '0-0', everybody: '0-0' };
  const session = new Session(identity, undefined, websocket as never, connection as never, '', offsets);
  return { session, websocket, connection };
}
