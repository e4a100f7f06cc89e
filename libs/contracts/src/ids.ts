import { z } from 'zod';

/**
 * The prefix of an id names its kind: `rm_` room, `pt_` participant, `ss_` session, `nd_` SFU node, `pub_` publication,
 * `gw_` gateway, `mig_` migration, `rl_` metadata relay.
 */
export const idPrefixes = {
  room: 'rm_',
  participant: 'pt_',
  session: 'ss_',
  node: 'nd_',
  publication: 'pub_',
  gateway: 'gw_',
  migration: 'mig_',
  relay: 'rl_',
} as const;

export type IdKind = keyof typeof idPrefixes;

/** Crockford's base32 in lower case, which has no letters that are easily mistaken for others. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Encodes bytes in base32, five bits per character. Bits that do not fill a character are dropped. */
export function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return text;
}

/** Returns a new id of the kind, with 80 random bits: `newId('session')` is `ss_` and 16 characters. */
export function newId(kind: IdKind): string {
  return idPrefixes[kind] + base32(crypto.getRandomValues(new Uint8Array(10)));
}

function idSchema(kind: IdKind, of: string): z.ZodString {
  return z
    .string()
    .regex(new RegExp(`^${idPrefixes[kind]}[0-9a-z-]{1,60}$`), `an id that starts with ${idPrefixes[kind]}`)
    .describe(`Id of ${of}.`);
}

export const RoomId = idSchema('room', 'a room');
export const ParticipantId = idSchema('participant', 'a participant');
export const SessionId = idSchema('session', 'a session');
export const NodeId = idSchema('node', 'an SFU node');
export const PublicationId = idSchema('publication', 'a publication');
export const GatewayId = idSchema('gateway', 'a signaling gateway');
export const MigrationId = idSchema('migration', 'a migration');
export const RelayId = idSchema('relay', 'a metadata relay');

export const RoomName = z
  .string()
  .regex(
    /^(?!rm_)[a-z0-9][a-z0-9_-]{0,62}$/,
    'lower-case letters, digits, "-" and "_", at most 63, not starting with "rm_"',
  )
  .describe('Name of a room: lower-case letters, digits, `-` and `_`, at most 63 characters, not starting with `rm_`.');

export const RoomRef = z.union([RoomId, RoomName]).describe('Id or name of a room.');

export const Tenant = z
  .string()
  .regex(/^[a-z0-9]{1,20}$/, 'lower-case letters and digits, at most 20')
  .describe('Name of a tenant: lower-case letters and digits, at most 20.');

/** A user as the issuer of its token names it. */
export const Subject = z
  .string()
  .regex(/^[\w.@:+-]{1,128}$/, 'letters, digits and . _ @ : + -, at most 128')
  .describe('Id of a user in the application. Letters, digits and `. _ @ : + -`, at most 128 characters.');

export const UserId = z
  .string()
  .regex(
    /^([a-z0-9]{1,20}\/)?[\w.@:+-]{1,128}$/,
    'letters, digits and . _ @ : + -, at most 128, after the tenant and a slash if there is one',
  )
  .describe('Id of a user: its id in the application, behind `<tenant>/` if it has a tenant.');

/** The user id of a recording's participant, by which everybody in the room sees that it is recorded. */
export const recordingUserId = (recordingId: string): string => `recording-${recordingId}`;

/** Whether a user id is that of a recording. Applications give no such ids to users. */
export const isRecordingUser = (userId: string): boolean => /^(?:[a-z0-9]{1,20}\/)?recording-rec_/.test(userId);

export const Offset = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/, 'a stream offset such as 1700000000000-0')
  .describe(
    'Position of an entry in its stream. Ordered first by the number before the dash, then by the one after it.',
  );

export type Offset = z.infer<typeof Offset>;

export const StreamAddress = z
  .string()
  .regex(/^(room:rm_[0-9a-z-]{1,60}|user:([a-z0-9]{1,20}\/)?[\w.@:+-]{1,128}|\*)$/, 'room:<id>, user:<id> or *')
  .describe('An address whose events have a `seq`: `room:<id>`, `user:<id>` or `*`.');
export type StreamAddress = z.infer<typeof StreamAddress>;

/** The offset before the first event of any stream. */
export const startOfStream: Offset = '0-0';

/** Compares two offsets of one stream: negative, zero or positive, as for `Array.sort`. */
export function compareOffsets(a: Offset, b: Offset): number {
  // Called for every delivery, so it creates no strings. Without leading zeros the longer number is the larger one.
  const dash = a.indexOf('-');
  return (
    dash - b.indexOf('-') || compareChars(a, b, 0, dash) || a.length - b.length || compareChars(a, b, dash, a.length)
  );
}

function compareChars(a: string, b: string, from: number, to: number): number {
  for (let index = from; index < to; index++) {
    const difference = a.charCodeAt(index) - b.charCodeAt(index);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The participant id of a session. A session is at most one participant of a room, so its id is derived. */
export const participantIdOf = (sessionId: string): string =>
  idPrefixes.participant + sessionId.slice(idPrefixes.session.length);
