import { FlotillaError } from '@flotilla/contracts';
import type { ClientDescription } from './description.ts';
import { FleetSession, type FleetSessionOptions } from './fleet-session.ts';
import { endWithMedia, type Opened } from './opened.ts';
import { Problem } from './problem.ts';
import { publishParameters } from './publish-parameters.ts';
import { writeDescription } from './server-description.ts';

/**
 * Publishes what a WHIP client offers: all of it or nothing (RFC 9725, section 4.4.3).
 * @throws Problem, or FlotillaError with the reason of the fleet.
 */
export async function openIngest(offer: ClientDescription, options: FleetSessionOptions): Promise<Opened> {
  requireClientRole(offer);
  const { session, joined } = await FleetSession.join(options, true);
  try {
    const { media, iceServers = [] } = joined;
    if (!media) throw withoutMedia(joined.snapshot.mediaMode, 'publish');
    const fleet = session.welcome.rtpCapabilities ?? {};
    const sections = offer.sections.map((section) => ({
      section,
      rtpParameters: publishParameters(section, fleet),
    }));
    const publicationIds = new Set<string>();
    endWithMedia(session, { grant: 'publish', transportId: media.send.id, publicationIds });
    const { dtlsParameters } = offer;
    await session.request('connect_transport', { transportId: media.send.id, dtlsParameters });
    for (const { section, rtpParameters } of sections) {
      const source = section.kind === 'audio' ? 'microphone' : 'camera';
      const { publication } = await session.request('publish', { kind: section.kind, source, rtpParameters });
      publicationIds.add(publication.id);
    }
    const description = writeDescription(
      'answer',
      media.send,
      sections.map(({ section: { kind, mid }, rtpParameters }) => ({
        kind,
        mid,
        direction: 'recvonly',
        rtpParameters,
      })),
    );
    return { session, transport: media.send, mid: offer.sections[0]!.mid, description, iceServers };
  } catch (error) {
    session.end('closed');
    throw error;
  }
}

/** RFC 9725, section 4.4.4: the server is the DTLS server. */
export function requireClientRole({ setup }: ClientDescription): void {
  if (setup !== 'actpass' && setup !== 'active')
    throw new Problem(422, `a=setup:${setup} is not accepted: actpass or active (RFC 9725, section 4.4.4)`);
}

/** Why a session got no transports. */
export function withoutMedia(mediaMode: string, grant: string): Error {
  if (mediaMode === 'peer')
    return new Problem(409, 'two participants of this room exchange media directly; WHIP and WHEP need the SFU');
  return new FlotillaError('FORBIDDEN', `the token does not have the grant "${grant}"`);
}
