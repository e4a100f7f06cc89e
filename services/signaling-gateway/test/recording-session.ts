import type { Grant } from '@flotilla/contracts';
import { type Resumption, Session } from '../src/sessions/session.ts';

const payloadOf = (frame: Buffer): string => frame.toString('utf8', { 126: 4, 127: 10 }[frame[1]!] ?? 2);

/** A session whose connection passes each sent text to `onText`. Its backlog and its state can be set. */
export function recordingSession(
  id: string,
  onText: (text: string) => void,
  grants: Grant[] = [],
  held: { resumeHash?: string; resumption?: Resumption | undefined } = {},
) {
  const closings: number[] = [];
  const websocket = { readyState: 1, close: (code: number) => (closings.push(code), (websocket.readyState = 2)) };
  const connection = { writableLength: 0, write: (frame: Buffer) => onText(payloadOf(frame)) };
  const identity = { id, userId: 'u', grants, bridge: [], expiresAt: Infinity };
  const offsets = { user: '0-0', everybody: '0-0' };
  const session = new Session(
    identity,
    held.resumption,
    websocket as never,
    connection as never,
    held.resumeHash ?? '',
    offsets,
  );
  return { session, websocket, connection, closings };
}
