/**
 * ICE candidates that a participant passes to another one's browser: `candidate-attribute` (RFC 8839, section 5.1; RFC 6544, section 4.5 for
 * TCP), as browsers accept it.
 */
import { z } from 'zod';
import { OptionalMid, Uint32 } from './sdp-grammar.ts';

const iceCharacter = '[A-Za-z0-9+/]';

/** `ice-ufrag` (RFC 8839, section 5.4). */
export const UsernameFragment = z
  .string()
  .regex(new RegExp(`^${iceCharacter}{4,256}$`), 'must be 4 to 256 ice-chars (RFC 8839, section 5.4)');

const extensionName = "[!#-'*+\\-.0-9A-Z^-~]+";
const grammar = new RegExp(
  [
    `^candidate:${iceCharacter}{1,32}`,
    '(?<component>[0-9]{1,3})',
    '(?<transport>[Uu][Dd][Pp]|[Tt][Cc][Pp])',
    '(?<priority>[0-9]{1,10})',
    '(?<address>[A-Za-z0-9.:-]{1,253})',
    '(?<port>[0-9]{1,5})',
    'typ (?:host|srflx|prflx|relay)(?: raddr (?<relatedAddress>[A-Za-z0-9.:-]{1,253}) rport (?<relatedPort>[0-9]{1,5}))?' +
      `(?<extensions>(?: ${extensionName} [!-~]+)*)$`,
  ].join(' '),
);

/** An IP address, or a name under `.local` in its place (draft-ietf-mmusic-mdns-ice-candidates). */
const Address = z.union([z.ipv4(), z.ipv6(), z.string().regex(/^[A-Za-z0-9-]{1,63}\.local$/)]);
const isAddress = (text: string): boolean => Address.safeParse(text).success;
const isBetween = (least: number, text: string | undefined, most: number): boolean =>
  Number(text) >= least && Number(text) <= most;

/** Values of the extensions that browsers read. They refuse a candidate in which one is wrong. */
const extensions: Readonly<Record<string, z.ZodType>> = {
  tcptype: z.enum(['active', 'passive', 'so']),
  ufrag: UsernameFragment,
  generation: decimal(Uint32),
  'network-id': decimal(z.int().max(0xffff)),
  'network-cost': decimal(z.int().max(0xffff)),
};

function decimal(values: z.ZodNumber): z.ZodType {
  return z
    .string()
    .regex(/^[0-9]{1,10}$/)
    .transform(Number)
    .pipe(values);
}

/** What is wrong in a candidate, or undefined. */
function problemOf(candidate: string): string | undefined {
  const found = grammar.exec(candidate)?.groups;
  if (!found) return 'must be a candidate-attribute (RFC 8839, section 5.1)';
  const { component, transport, priority, address, port, relatedAddress, relatedPort } = found;
  if (!isBetween(1, component, 256)) return 'its component must be 1 to 256';
  if (!isBetween(1, priority, 2 ** 31 - 1)) return 'its priority must be 1 to 2147483647 (RFC 8445, section 5.1.2)';
  if (!isAddress(address!)) return 'its address must be an IP address or a name under .local';
  if (!isBetween(0, port, 65_535)) return 'its port must be 0 to 65535';
  if (relatedAddress !== undefined && !(isAddress(relatedAddress) && isBetween(0, relatedPort, 65_535)))
    return 'its related address must be an IP address or a name under .local, with a port';
  const words = (found['extensions'] ?? '').trim().split(' ');
  for (let index = 0; index + 1 < words.length; index += 2) {
    const [name = '', value] = words.slice(index, index + 2);
    const schema = Object.hasOwn(extensions, name) ? extensions[name] : undefined;
    if (schema && !schema.safeParse(value).success) return `its ${name} is invalid`;
  }
  const isTyped = words.some((word, index) => index % 2 === 0 && word === 'tcptype');
  if (transport!.toLowerCase() === 'tcp' && !isTyped) return 'a TCP candidate has a tcptype (RFC 6544, section 4.5)';
  return undefined;
}

/** `RTCIceCandidateInit` (W3C WebRTC, section 4.8.1). */
export const TrickledCandidate = z
  .strictObject({
    candidate: z
      .string()
      .max(1024)
      .superRefine((candidate, context) => {
        const problem = candidate === '' ? undefined : problemOf(candidate);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .describe(
        'The candidate, as in the SDP attribute `candidate` (RFC 8839, section 5.1). Its address is an IP address or a name under `.local`. Empty: no more candidates of the generation.',
      ),
    sdpMid: OptionalMid.nullable()
      .overwrite((mid) => (mid === '' ? null : mid))
      .describe('`mid` of its media section. Empty, as some stacks send it beside the index: as null.'),
    sdpMLineIndex: z.int().nonnegative().max(255).nullable().describe('Index of its media section.'),
    usernameFragment: UsernameFragment.describe(
      'ICE username fragment of its generation, 4 to 256 characters. A previous generation is answered WRONG_STATE.',
    ),
  })
  .refine(({ candidate, sdpMid, sdpMLineIndex }) => candidate === '' || sdpMid !== null || sdpMLineIndex !== null, {
    path: ['sdpMid'],
    message: 'a candidate has the mid or the index of its media section',
  });
