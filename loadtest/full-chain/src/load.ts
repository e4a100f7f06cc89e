import { setTimeout as pause } from 'node:timers/promises';
import type { RestApi } from '@flotilla/testkit';
import { type Arrival, arrivals, type LoadShape } from './arrivals.ts';
import { MessageTimes } from './messages.ts';
import { Recorder } from './recorder.ts';
import { enter, type User } from './user.ts';

export interface Load extends LoadShape {
  readonly roomSize: number;
  /** Users with media, in pairs in the first rooms. */
  readonly media: number;
  /** Messages of a user per minute. */
  readonly messagesPerMinute: number;
}

export interface Target {
  readonly api: RestApi;
  /** Users connect to one after the other. */
  readonly gatewayUrls: readonly string[];
}

export interface LoadResult {
  readonly recorder: Recorder;
  readonly came: number;
  /** Users that were not let in because so many others were still entering. */
  readonly turnedAway: number;
  readonly mostAtOnce: number;
}

/** Users that may be entering at a time: beyond it, the fleet or the load generator does not keep up. */
const maxEntering = 2000;
const tickMs = 10;
/** After it, users that have not ended are left behind. */
const leaveDeadlineMs = 30_000;

/** Runs a load. @param onSecond called once a second with the numbers of users that are in, and that are entering. */
export async function runLoad(
  target: Target,
  load: Load,
  onSecond: (seconds: number, inside: number, entering: number) => void,
): Promise<LoadResult> {
  const users = arrivals(load, Math.random);
  const rooms = await createRooms(target, load);
  const began = performance.now();
  const now = (): number => performance.now() - began;
  const recorder = new Recorder(now);
  const inside = new Set<User>();
  const ending: Promise<void>[] = [];
  let [entering, turnedAway, mostAtOnce, media] = [0, 0, 0, 0];

  const live = async ({ at, until }: Arrival, index: number): Promise<void> => {
    const withMedia = media < load.media;
    const room = rooms[(withMedia ? Math.floor(media++ / 2) : index) % rooms.length]!;
    const gatewayUrl = target.gatewayUrls[index % target.gatewayUrls.length]!;
    entering++;
    let user: User;
    try {
      user = await enter({ api: target.api, gatewayUrl, room, withMedia, recorder, now });
      recorder.add('entry', now() - at * 1000);
    } catch {
      if (withMedia) media--;
      return;
    } finally {
      entering--;
    }
    inside.add(user);
    mostAtOnce = Math.max(mostAtOnce, inside.size);
    await pause(Math.max(0, until * 1000 - now()));
    inside.delete(user);
    if (withMedia) media--;
    await user.leave().catch(() => undefined);
  };

  const end = load.rampSeconds + load.plateauSeconds;
  let next = 0;
  const messages = new MessageTimes(load.messagesPerMinute);
  let shown = 0;
  while (now() < end * 1000) {
    for (; next < users.length && users[next]!.at * 1000 <= now(); next++) {
      if (entering >= maxEntering) turnedAway++;
      else ending.push(live(users[next]!, next));
    }
    for (const at of messages.due(now(), inside.size)) anyOf(inside)?.say(at);
    if (now() >= (shown + 1) * 1000) onSecond(++shown, inside.size, entering);
    await pause(tickMs);
  }
  await Promise.race([Promise.all(ending), pause(leaveDeadlineMs, undefined, { ref: false })]);
  return { recorder, came: next, turnedAway, mostAtOnce };
}

async function createRooms({ api }: Target, { users, burst, roomSize }: Load): Promise<string[]> {
  const rooms: string[] = [];
  for (let left = Math.ceil((users + burst) / roomSize); left > 0; left--) rooms.push(await api.newRoom('load'));
  return rooms;
}

function anyOf(users: ReadonlySet<User>): User | undefined {
  let left = Math.floor(Math.random() * users.size);
  for (const user of users) if (left-- === 0) return user;
  return undefined;
}
