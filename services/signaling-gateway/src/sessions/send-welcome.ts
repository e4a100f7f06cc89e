import { type RtpCapabilities, userAddress } from '@flotilla/contracts';
import type { Session } from './session.ts';

export interface WelcomeSettings {
  readonly resumeWindowSeconds: number;
  readonly heartbeatSeconds: number;
}

/**
 * Sends the first message of a connection: the session, its resume token, and what a client needs to start. A client that
 * resumes has the RTP capabilities, which are most of the message.
 */
export function sendWelcome(
  session: Session,
  resumeToken: string,
  rtpCapabilities: RtpCapabilities | undefined,
  { resumeWindowSeconds, heartbeatSeconds }: WelcomeSettings,
): void {
  session.notify('welcome', {
    sessionId: session.id,
    resumed: session.resumed,
    resumeToken,
    resumeWindowSeconds,
    heartbeatSeconds,
    expiresAt: session.identity.expiresAt,
    offsets: session.resumed
      ? {}
      : { [userAddress(session.identity.userId)]: session.inbox.after, '*': session.broadcasts.after },
    ...(rtpCapabilities && { rtpCapabilities }),
  });
}
