import { FlotillaError, type Grant } from '@flotilla/contracts';

/** The grants that a media section needs, by its direction (RFC 8866, section 6.7). */
const needed: Readonly<Record<string, readonly Grant[]>> = {
  sendrecv: ['publish', 'subscribe'],
  sendonly: ['publish'],
  recvonly: ['subscribe'],
  inactive: [],
};

/**
 * Compares the media sections of a session description with the grants of its sender: media by its direction, data channels with the
 * grant `data`. A section without a direction has that of the session, `sendrecv` by default.
 *
 * @throws FlotillaError FORBIDDEN with the section and the grant.
 */
export function requireGrantsOf(sdp: string, grants: readonly Grant[]): void {
  const [session = '', ...sections] = sdp.split(/^m=/m);
  const common = directionOf(session) ?? 'sendrecv';
  for (const section of sections) {
    const [kind = ''] = section.split(' ', 1);
    const isMedia = kind === 'audio' || kind === 'video';
    if (!isMedia && kind !== 'application')
      throw new FlotillaError('FORBIDDEN', `a media section "${kind.slice(0, 16)}" is not allowed`);
    const needs = isMedia ? needed[directionOf(section) ?? common]! : (['data'] as const);
    const missing = needs.find((grant) => !grants.includes(grant));
    if (missing) throw new FlotillaError('FORBIDDEN', `the section "${kind}" needs the grant "${missing}"`);
  }
}

const directionOf = (part: string): string | undefined =>
  /^a=(sendrecv|sendonly|recvonly|inactive)[ \t]*\r?$/m.exec(part)?.[1];
