import { z } from 'zod';

/**
 * Every id says what it names: `rm_` room, `pt_` participant, `ss_` session, `nd_` SFU node, `pub_` publication, `gw_` gateway, `mig_` migration,
 * `rl_` metadata relay. */
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

/** Crockford's base32 in lower case: no letter that a person reading a log mistakes for another. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Spells bytes in base32, five bits a letter; left-over bits at the end are dropped. */
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

/** A new random id of the kind, 80 random bits: `newId('session')` gives `ss_` and 16 letters. */
export function newId(kind: IdKind): string {
  return idPrefixes[kind] + base32(crypto.getRandomValues(new Uint8Array(10)));
}

function idSchema(kind: IdKind): z.ZodString {
  return z
    .string()
    .regex(new RegExp(`^${idPrefixes[kind]}[0-9a-z-]{1,60}$`), `an id that starts with ${idPrefixes[kind]}`);
}

export const RoomId = idSchema('room');
export const ParticipantId = idSchema('participant');
export const SessionId = idSchema('session');
export const NodeId = idSchema('node');
export const PublicationId = idSchema('publication');
export const GatewayId = idSchema('gateway');
export const MigrationId = idSchema('migration');
export const RelayId = idSchema('relay');

/** What people call a room: lower-case letters, digits, `-` and `_`, up to 63, and not shaped like an id. */
export const RoomName = z
  .string()
  .regex(
    /^(?!rm_)[a-z0-9][a-z0-9_-]{0,62}$/,
    'lower-case letters, digits, "-" and "_", at most 63, not starting with "rm_"',
  );

/** A room by its id or by its name. */
export const RoomRef = z.union([RoomId, RoomName]);

/** Who a token was issued to, as the application knows them. */
export const UserId = z.string().regex(/^[\w.@:+-]{1,128}$/, 'letters, digits and . _ @ : + -, at most 128');

/** A stream id of the event log: where in a stream an event stands. */
export const Offset = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/, 'a stream offset such as 1700000000000-0');

export type Offset = z.infer<typeof Offset>;

/** An address whose events are numbered: the `to` of an event with a `seq`. */
export const StreamAddress = z
  .string()
  .regex(/^(room:rm_[0-9a-z-]{1,60}|user:[\w.@:+-]{1,128}|\*)$/, 'room:<id>, user:<id> or *');
export type StreamAddress = z.infer<typeof StreamAddress>;

/** The offset before the first event of any stream. */
export const startOfStream: Offset = '0-0';

/** Orders two offsets of one stream: negative, zero or positive, as `Array.sort` wants it. */
export function compareOffsets(a: Offset, b: Offset): number {
  // Called for every delivery: no strings are made here. Without leading zeros the longer number is the larger one.
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

/** A session is at most one participant of a room, so the one id follows from the other. */
export const participantIdOf = (sessionId: string): string =>
  idPrefixes.participant + sessionId.slice(idPrefixes.session.length);
