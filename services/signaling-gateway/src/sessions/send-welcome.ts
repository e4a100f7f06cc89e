import { userAddress } from '@flotilla/contracts';
import { tell } from '../delivery/frames.ts';
import type { NodeDirectory } from '../node-directory.ts';
import type { Session } from './session.ts';

export interface WelcomeSettings {
  readonly resumeWindowSeconds: number;
  readonly heartbeatSeconds: number;
}

/** The first message on a connection: who the session is, how it comes back, and what a client needs to begin. */
export async function welcome(
  session: Session,
  resumeToken: string,
  nodes: NodeDirectory,
  { resumeWindowSeconds, heartbeatSeconds }: WelcomeSettings,
): Promise<void> {
  // Who comes back has them: they are most of this message.
  const rtpCapabilities = session.resumed ? undefined : await nodes.rtpCapabilities();
  tell(session, 'welcome', {
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
