import type { RequestType } from '@flotilla/contracts';

/**
 * What each request takes from the limit of messages, by its work in the fleet: a `ping` takes one message. Requests that open
 * transports, run several scripts or cross several nodes take most.
 */
export const requestCosts: Readonly<Record<RequestType, number>> = {
  join: 10,
  resume: 5,
  list_participants: 5,
  leave: 5,
  open_media: 10,
  connect_transport: 2,
  restart_ice: 5,
  publish: 5,
  unpublish: 2,
  mute: 2,
  subscribe: 2,
  unsubscribe: 1,
  update_subscriptions: 1,
  message: 1,
  migrated: 2,
  migration_failed: 2,
  migration_report: 2,
  media_report: 1,
  negotiate: 2,
  'metadata.connect': 10,
  'metadata.disconnect': 2,
  'metadata.publish': 2,
  'metadata.unpublish': 2,
  'metadata.subscribe': 2,
  'metadata.unsubscribe': 2,
  'metadata.report': 1,
  refresh_token: 5,
  watch_topology: 20,
  unwatch_topology: 1,
  drill: 20,
  ping: 1,
};

/** Further cost of each room that a `resume` restores. */
export const costPerRoom = 5;

/** Further cost of each publication that a request names. */
export const costPerPublication = 0.1;

/** A message costs one more for each further block of so many bytes, since all receivers get them, and the store keeps them. */
export const bytesPerCost = 1024;

/** What a frame costs whatever it holds, in messages. It is taken before the frame is read. */
export const frameCost = (bytes: number): number => 1 + Math.floor(bytes / bytesPerCost);

/** The cost of a request, in messages. An unknown type costs one. `rooms`: number of those that a `resume` would restore. */
export function costOf(type: string, payload: Readonly<Record<string, unknown>>, bytes: number, rooms: number): number {
  const own = Object.hasOwn(requestCosts, type) ? requestCosts[type as RequestType] : 1;
  const restored = type === 'resume' ? rooms : 0;
  const { publicationIds } = payload;
  const named = Array.isArray(publicationIds) ? publicationIds.length : 0;
  return own - 1 + restored * costPerRoom + named * costPerPublication + frameCost(bytes);
}
