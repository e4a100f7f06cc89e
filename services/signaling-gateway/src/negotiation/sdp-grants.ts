import { FlotillaError, type Grant } from '@flotilla/contracts';

/** The grants that a media section needs, by its direction (RFC 8866, section 6.7). */
const needed = {
  sendrecv: ['publish', 'subscribe'],
  sendonly: ['publish'],
  recvonly: ['subscribe'],
  inactive: [],
} as const satisfies Readonly<Record<string, readonly Grant[]>>;

/**
 * Compares the media sections of a session description with the grants of its sender: media by its direction, data channels with the
 * grant `data`.
 *
 * Clients differ in how they read a description that has no or several directions for a section. A section without one needs the grants
 * of `sendrecv`, although that of the session may apply, and one with several the grants of each.
 *
 * @throws FlotillaError FORBIDDEN with the section and the grant; BAD_PAYLOAD for a line that some clients read as two.
 */
export function requireGrantsOf(sdp: string, grants: readonly Grant[]): void {
  if (/\r(?!\n)|\0/.test(sdp))
    throw new FlotillaError('BAD_PAYLOAD', 'sdp: a carriage return or NUL inside a line (RFC 8866, section 9)');
  const [, ...sections] = `\n${sdp}`.split('\nm=');
  for (const section of sections) {
    const [kind = ''] = section.split(' ', 1);
    const isMedia = kind === 'audio' || kind === 'video';
    if (!isMedia && kind !== 'application')
      throw new FlotillaError('FORBIDDEN', `a media section "${kind.slice(0, 16)}" is not allowed`);
    const needs: readonly Grant[] = isMedia
      ? directionsOf(section).flatMap((direction) => needed[direction])
      : ['data'];
    const missing = needs.find((grant) => !grants.includes(grant));
    if (missing) throw new FlotillaError('FORBIDDEN', `the section "${kind}" needs the grant "${missing}"`);
  }
}

/** The directions of a section, in any spelling that some client may accept. Only the spelling of the RFC replaces `sendrecv`. */
function directionsOf(section: string): (keyof typeof needed)[] {
  if (!/\na=(sendrecv|sendonly|recvonly|inactive)\r?(\n|$)/.test(section)) return ['sendrecv'];
  const found = section.matchAll(/\na=(sendrecv|sendonly|recvonly|inactive)(?![\w-])/gi);
  return [...found].map(([, name]) => name!.toLowerCase() as keyof typeof needed);
}
