import { z } from 'zod';

export const Grant = z
  .enum(['publish', 'subscribe', 'data', 'broadcast', 'admin'])
  .describe(
    'A permission. `publish`, `subscribe`: media and metadata topics. `data`: messages to rooms and users. `broadcast`: messages to every session. `admin`: watching the fleet, and drills.',
  );
export type Grant = z.infer<typeof Grant>;

/** From the bit rate of speech to more than a media worker forwards, in bit/s. */
const bitrateBounds = { min: 30_000, max: 1_000_000_000 };

export const MaxPublishBitrate = z
  .int()
  .min(bitrateBounds.min)
  .max(bitrateBounds.max)
  .describe(
    'Maximum bit rate of all that a participant publishes in a room together, in bit/s. The lowest of the claim in its token, the setting of the room and that of its SFU node counts.',
  );

/** The grants that matter in a room. A participant needs at least one of them. */
export const RoomGrant = Grant.extract(['publish', 'subscribe', 'data']).describe('A grant that applies in rooms.');
export type RoomGrant = z.infer<typeof RoomGrant>;

/** All of them, in the order in which they are stored. */
export const roomGrants: readonly RoomGrant[] = RoomGrant.options;

/** The grants for media and metadata. */
export const mediaGrants: readonly RoomGrant[] = ['publish', 'subscribe'];

/** Whether a participant with these grants may have transports: it may publish or subscribe. */
export const mayHaveMedia = (grants: readonly RoomGrant[]): boolean =>
  mediaGrants.some((grant) => grants.includes(grant));

/** Those of the grants that apply in rooms, in the order in which they are stored. */
export const roomGrantsOf = (grants: readonly Grant[]): RoomGrant[] =>
  roomGrants.filter((grant) => grants.includes(grant));
