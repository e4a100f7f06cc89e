import {
  maxRetainedRoomBytes,
  maxRetainedUserBytes,
  maxRetainedValuesPerUser,
  maxTopicsPerRoom,
  maxTopicsPerSession,
  type RetainedMessage,
} from '@flotilla/contracts';
import { decodeFrame, encodeFrame, stampFrame } from '@flotilla/data-channel';
import { metricsRegistry } from '@flotilla/runtime';
import type { RetainedKey } from '@flotilla/store';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Outlet } from '../src/routing/outlet.ts';
import { RoomRouting } from '../src/routing/room-routing.ts';
import { maxStreams } from '../src/routing/topic.ts';

/** The store and the other relays, as routing changes them, and what clients were sent. */
class Recorder implements Outlet {
  /** By publisher and topic. */
  readonly stored = new Map<string, RetainedMessage>();
  /** What was deleted in the store and at other relays, as `<publisher> <topic>`. */
  readonly forgotten: string[] = [];
  readonly cancelled: string[] = [];
  readonly ids: number[] = [];
  readonly sent: { link: string; topic: string; publisherId: string }[] = [];

  send(link: string, _channel: string, frame: Uint8Array): void {
    const { body, stamp } = decodeFrame(frame, 'relay');
    if (body.case !== 'shard') return;
    this.sent.push({ link, topic: body.value.topic, publisherId: stamp!.publisherId });
    this.ids.push(body.value.seqId);
  }
  retain(message: RetainedMessage): void {
    this.stored.set(`${message.publisherId} ${message.topic}`, message);
  }
  forget({ publisherId, topic }: RetainedKey): void {
    this.stored.delete(`${publisherId} ${topic}`);
    this.forgotten.push(`${publisherId} ${topic}`);
  }
  cancel(publisherId: string): void {
    this.cancelled.push(publisherId);
  }
  fanOut(): void {}
  addSubchannel(): void {}
  removeSubchannel(): void {}
  pause(): void {}
  resume(): void {}
  queryBuffered(): void {}
  disconnect(): void {
    throw new Error('no link should be closed');
  }
  forward(): void {}
}

/** Bytes of a shard at most. */
const shardBytes = 16_000;

let outlet: Recorder;
let routing: RoomRouting;
let seqId: number;

const newRouting = (): RoomRouting =>
  new RoomRouting(
    outlet,
    { limits: { framesPerSecond: 1e6, bytesPerSecond: 1e9 }, roomBytesPerSecond: 1e9 },
    { monotonicMs: () => 0, fleetMicros: () => 1e15 },
  );

beforeEach(() => {
  outlet = new Recorder();
  routing = newRouting();
  seqId = 0;
});

const framesOf = (topic: string, size: number): Uint8Array[] => {
  const total = Math.ceil(size / shardBytes);
  const id = seqId++;
  return Array.from({ length: total }, (_, index) => {
    const payload = new Uint8Array(Math.min(shardBytes, size - index * shardBytes));
    return encodeFrame({
      body: { case: 'shard', value: { topic, seqId: id, index, total, size, retain: true, payload } },
    });
  });
};
const open = (name: string, user = name): string => {
  routing.open(name, `pt_${name}`, user);
  routing.onReady(name);
  return name;
};
const retain = (link: string, topic: string, size = 1): void => {
  routing.publish(link, { topic, mode: 'reliable', retain: true });
  for (const frame of framesOf(topic, size)) routing.receive(link, 'reliable', frame);
};
const leave = (link: string): void => {
  routing.close(link);
  routing.leave([`pt_${link}`]);
};
const remote = (publisher: string, topic: string, keeps: boolean): void => {
  const [frame] = framesOf(topic, 1);
  const publisherId = `pt_${publisher}`;
  routing.receiveRemote({
    topic,
    mode: 'reliable',
    retain: keeps,
    publisherId,
    userId: publisher,
    frame: stampFrame(frame!, { publisherId, routedAt: 1 }),
  });
};
/** What a newcomer is sent, as `<publisher> <topic>`. */
const sentToNewcomer = (): string[] => {
  open('newcomer');
  routing.subscribe('newcomer', '*');
  routing.close('newcomer');
  return outlet.sent.splice(0).map(({ publisherId, topic }) => `${publisherId} ${topic}`);
};
const topicsOf = (link: string): string[] =>
  Array.from({ length: maxTopicsPerSession }, (_, index) => `${link}-${index}`);

describe('the retained values of a publisher', () => {
  test('that left are sent to newcomers; those of one that is barred are not, and the store, which has deleted them, is left alone', () => {
    for (const name of ['ada', 'eve']) {
      open(name);
      for (const topic of ['shared', `of-${name}`]) retain(name, topic);
    }
    leave('ada');
    routing.close('eve');
    routing.bar(['pt_eve']);
    expect(sentToNewcomer()).toEqual(['pt_ada shared', 'pt_ada of-ada']);
    expect(outlet.forgotten).toEqual([]);
    expect(outlet.cancelled).toEqual(['pt_eve']);
  });

  test('that is barred do not come back with late frames of another relay, nor from the store, until it is admitted', () => {
    routing.bar(['pt_eve']);
    remote('eve', 't', true);
    const frames = framesOf('u', 1).map((frame) =>
      Buffer.from(stampFrame(frame, { publisherId: 'pt_eve', routedAt: 1 })).toString('base64'),
    );
    routing.restore([{ topic: 'u', mode: 'reliable', publisherId: 'pt_eve', userId: 'eve', seqId: 0, frames }]);
    expect(sentToNewcomer()).toEqual([]);
    routing.admit('pt_eve');
    remote('eve', 't', true);
    expect(sentToNewcomer()).toEqual(['pt_eve t']);
  });

  test('are deleted when it unpublishes over a later link, and when another relay says so', () => {
    open('ada');
    for (const topic of ['t', 'u']) retain('ada', topic);
    routing.close('ada');
    open('ada');
    routing.unpublish('ada', 't');
    expect([...outlet.stored.keys()]).toEqual(['pt_ada u']);
    routing.forgetRemote({ topic: 'u', publisherId: 'pt_ada' });
    expect(sentToNewcomer()).toEqual([]);
  });

  test('that is barred may be kept again after a resynchronisation, which reads who is', () => {
    routing.bar(['pt_far']);
    routing.resync();
    remote('far', 't', true);
    expect(sentToNewcomer()).toEqual(['pt_far t']);
  });

  test('stay when more publishers than a topic keeps streams for retain one each', () => {
    const links = Array.from({ length: maxStreams + 50 }, (_, index) => open(`p${index}`));
    for (const link of links) retain(link, 'presence');
    remote('far', 'presence', true);
    expect(outlet.forgotten).toEqual([]);
    expect(outlet.stored.size).toBe(links.length);
    expect(sentToNewcomer()).toHaveLength(links.length + 1);
  });

  test('of others that are there stay when a publisher would change the mode of their topic', () => {
    open('ada');
    retain('ada', 't');
    const messages = [...outlet.stored.values()];
    // At another relay, the topic has no publisher.
    routing = newRouting();
    routing.restore(messages);
    open('eve');
    const change = () => routing.publish('eve', { topic: 't', mode: 'unreliable', retain: false });
    expect(change).toThrow(/published as reliable/);
    routing.leave(['pt_ada']);
    expect(change()).toMatchObject({ mode: 'unreliable' });
  });
});

describe('a publisher whose sequence ids begin anew', () => {
  const idOf = (key: string): number | undefined => outlet.stored.get(key)?.seqId;

  test('as it left and joined again in its session has its next value retained, then the newest one', () => {
    open('ada');
    for (let count = 0; count < 5; count++) retain('ada', 't');
    leave('ada');
    seqId = 0;
    routing.join('pt_ada');
    open('ada');
    expect(sentToNewcomer()).toEqual(['pt_ada t']);
    for (const id of [0, 1]) {
      retain('ada', 't');
      expect(idOf('pt_ada t')).toBe(id);
    }
    seqId = 0;
    retain('ada', 't');
    expect(idOf('pt_ada t')).toBe(1);
  });

  test('has its next value retained by a relay that restored the previous one', () => {
    open('ada');
    for (let count = 0; count < 5; count++) retain('ada', 't');
    const messages = [...outlet.stored.values()];
    seqId = 0;
    routing = newRouting();
    routing.restore(messages);
    open('ada');
    retain('ada', 't');
    expect(idOf('pt_ada t')).toBe(0);
  });

  test.each([
    ['after the event', () => routing.join('pt_far')],
    ['after missed events', () => routing.resync()],
  ])('at another relay has its next value retained: %s', (_, learn) => {
    const newest = (): number => {
      open('newcomer');
      outlet.ids.length = 0;
      routing.subscribe('newcomer', '*');
      routing.close('newcomer');
      return outlet.ids.at(-1)!;
    };
    for (let count = 0; count < 5; count++) remote('far', 't', true);
    expect(newest()).toBe(4);
    seqId = 0;
    learn();
    remote('far', 't', true);
    expect(newest()).toBe(0);
  });
});

describe('a publisher that moved here from another relay', () => {
  const publish = (mode: 'reliable' | 'adaptive') => routing.publish('ada', { topic: 't', mode, retain: false });

  test('may change the mode of its own topic, also after late frames of its previous link', () => {
    remote('ada', 't', false);
    open('ada');
    expect(publish('adaptive')).toMatchObject({ mode: 'adaptive' });
    remote('ada', 't', false);
    expect(publish('reliable')).toMatchObject({ mode: 'reliable' });
  });

  test('ends its topic when it unpublishes it', () => {
    remote('ada', 't', false);
    open('ada');
    publish('reliable');
    routing.unpublish('ada', 't');
    expect(routing.subscribe('ada', '*')).toEqual([]);
  });

  test('ends its topic when it unpublishes it without having published it here', () => {
    remote('ada', 't', false);
    open('ada');
    routing.unpublish('ada', 't');
    expect(routing.subscribe('ada', '*')).toEqual([]);
  });
});

describe('at the limit of topics of a room', () => {
  const leavers = ['a', 'b', 'c', 'd'];
  const takeAll = (): void => {
    for (const link of leavers) {
      open(link);
      for (const topic of topicsOf(link)) retain(link, topic);
    }
    expect(outlet.stored.size).toBe(maxTopicsPerRoom);
  };

  test('topics of publishers that are there stay, and another one is refused', () => {
    takeAll();
    open('honest');
    expect(() => routing.publish('honest', { topic: 'new', mode: 'adaptive', retain: false })).toThrow(/256 topics/);
    expect(outlet.stored.size).toBe(maxTopicsPerRoom);
  });

  test('topics that have only values of publishers that have left make room for others', () => {
    takeAll();
    for (const link of leavers.slice(1)) leave(link);
    open('honest');
    for (const topic of topicsOf('honest')) retain('honest', topic);
    // Those who are there lose nothing.
    expect([...outlet.stored.keys()].filter((key) => key.startsWith('pt_a '))).toHaveLength(maxTopicsPerSession);
    expect([...outlet.stored.keys()].filter((key) => key.startsWith('pt_honest '))).toHaveLength(maxTopicsPerSession);
    expect(outlet.stored.size).toBe(maxTopicsPerRoom);
  });

  test('the same applies to topics that a relay restored from the store', () => {
    takeAll();
    const messages = [...outlet.stored.values()];
    routing = newRouting();
    routing.restore(messages);
    expect(routing.publisherIds).toEqual(leavers.map((link) => `pt_${link}`));
    open('honest');
    const publish = () => routing.publish('honest', { topic: 'new', mode: 'adaptive', retain: false });
    // They may be at another relay, until it is known that they have left.
    expect(publish).toThrow(/256 topics/);
    routing.leave(routing.publisherIds);
    expect(publish()).toMatchObject({ name: 'new' });
  });

  test('topics of another relay end when their publishers leave the room, also with frames that arrive late', () => {
    for (let index = 0; index < maxTopicsPerRoom; index++) remote('far', `far-${index}`, false);
    open('honest');
    const publish = (topic: string) => routing.publish('honest', { topic, mode: 'adaptive', retain: false });
    expect(() => publish('new')).toThrow(/256 topics/);
    routing.leave(['pt_far']);
    for (let index = 0; index < maxTopicsPerRoom; index++) remote('far', `far-${index}`, false);
    for (const topic of topicsOf('honest')) publish(topic);
  });
});

describe('the limits of retained values', () => {
  test('a user has one quota, which leaving does not reset: its new values replace those that it left behind', () => {
    open('one', 'eve');
    for (const topic of topicsOf('one')) retain('one', topic);
    leave('one');
    open('two', 'eve');
    for (const topic of topicsOf('two').slice(0, 10)) retain('two', topic);
    expect(outlet.stored.size).toBe(maxRetainedValuesPerUser);
    expect([...outlet.stored.keys()].filter((key) => key.startsWith('pt_two '))).toHaveLength(10);
    expect(outlet.stored.has('pt_one one-0')).toBe(false);
    expect(outlet.stored.has('pt_one one-63')).toBe(true);
  });

  test('above the quota of a user whose participants are all there a message is not retained, others are', () => {
    for (const link of ['one', 'two']) open(link, 'eve');
    open('ada');
    for (const topic of topicsOf('one')) retain('one', topic);
    retain('two', 'two-0');
    retain('ada', 'ada-0');
    expect(outlet.stored.has('pt_two two-0')).toBe(false);
    expect(outlet.stored.has('pt_ada ada-0')).toBe(true);
    // A value may be replaced at the quota.
    retain('one', 'one-0');
    expect(outlet.stored.get('pt_one one-0')!.seqId).toBe(seqId - 1);
  });

  test('values of a user have a maximum size together', () => {
    open('eve');
    const fitting = Math.floor(maxRetainedUserBytes / 64_500);
    for (const topic of topicsOf('eve').slice(0, fitting + 4)) retain('eve', topic, 64_000);
    expect(outlet.stored.size).toBe(fitting);
  });

  test('at the size of a room, values of those who left first make room', () => {
    for (const link of ['a', 'b', 'c', 'd']) {
      open(link);
      for (const topic of topicsOf(link).slice(0, 16)) retain(link, topic, 64_000);
    }
    leave('b');
    leave('a');
    open('honest');
    for (const topic of topicsOf('honest').slice(0, 16)) retain('honest', topic, 64_000);
    const kept = (name: string): number =>
      [...outlet.stored.keys()].filter((key) => key.startsWith(`pt_${name} `)).length;
    expect(['honest', 'c', 'd', 'a'].map(kept)).toEqual([16, 16, 16, 16]);
    expect(kept('b')).toBeLessThan(2);
  });

  /** Retains values of a user's participant up to the number that the user may have. */
  const fill = (link: string, user: string): void => {
    open(link, user);
    for (const topic of topicsOf(link)) retain(link, topic);
  };
  /** Retains large values of a user, one more than it may have. */
  const fillBytes = (user: string): void => {
    open(user);
    for (const topic of topicsOf(user).slice(0, 17)) retain(user, topic, 64_000);
  };
  const keptOf = (link: string): number =>
    [...outlet.stored.keys()].filter((key) => key.startsWith(`pt_${link} `)).length;

  test('values of a participant that is reconnecting make room for those of its user, until it is connected again', () => {
    fill('one', 'eve');
    routing.detach(['pt_one']);
    open('two', 'eve');
    for (const topic of topicsOf('two').slice(0, 10)) retain('two', topic);
    expect([keptOf('one'), keptOf('two')]).toEqual([maxRetainedValuesPerUser - 10, 10]);
    routing.attach('pt_one');
    retain('two', 'two-10');
    expect([keptOf('one'), keptOf('two')]).toEqual([maxRetainedValuesPerUser - 10, 10]);
  });

  test('values of participants of the user that have left make room before those of one that is reconnecting', () => {
    open('left', 'eve');
    retain('left', 'left-0');
    open('one', 'eve');
    for (const topic of topicsOf('one').slice(1)) retain('one', topic);
    routing.detach(['pt_one']);
    leave('left');
    open('two', 'eve');
    retain('two', 'two-0');
    expect([keptOf('left'), keptOf('one'), keptOf('two')]).toEqual([0, maxRetainedValuesPerUser - 1, 1]);
  });

  test('values of a participant that is reconnecting do not make room for other users', () => {
    const users = Array.from({ length: maxRetainedRoomBytes / maxRetainedUserBytes + 1 }, (_, index) => `u${index}`);
    for (const user of users) fillBytes(user);
    const before = keptOf('u0');
    routing.detach(['pt_u0']);
    fillBytes('honest');
    expect(keptOf('u0')).toBe(before);
  });

  test('a value that its publisher replaces while it is reconnecting is not evicted for its successor', () => {
    open('one', 'eve');
    for (const topic of topicsOf('one').slice(0, 16)) retain('one', topic, 64_000);
    routing.detach(['pt_one']);
    const before = keptOf('one');
    retain('one', 'one-0', 64_000);
    expect(outlet.stored.get('pt_one one-0')!.seqId).toBe(seqId - 1);
    expect(keptOf('one')).toBe(before - 1);
    expect(sentToNewcomer().filter((key) => key === 'pt_one one-0')).not.toEqual([]);
  });

  test('values of a publisher that came back are not evicted, however many others have left since', () => {
    fill('one', 'eve');
    leave('one');
    routing.leave(Array.from({ length: 10_000 }, (_, index) => `pt_other-${index}`));
    open('one', 'eve');
    open('two', 'eve');
    retain('two', 'two-0');
    expect([keptOf('one'), keptOf('two')]).toEqual([maxRetainedValuesPerUser, 0]);
  });

  test('a message that is not retained is counted once, by whose limit it was', async () => {
    const count = async (reason: string): Promise<number> => {
      const { values } = await metricsRegistry.getSingleMetric('metadata_retained_refused_total')!.get();
      return values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
    };
    const refused = async (work: () => void): Promise<Record<string, number>> => {
      const reasons = ['user', 'room', 'size'];
      const before = await Promise.all(reasons.map(count));
      work();
      const after = await Promise.all(reasons.map(count));
      return Object.fromEntries(
        reasons.flatMap((reason, index) => {
          const difference = after[index]! - before[index]!;
          return difference > 0 ? [[reason, difference]] : [];
        }),
      );
    };
    for (const link of ['one', 'two']) open(link, 'eve');
    expect(await refused(() => retain('one', 'large', 80_000))).toEqual({ size: 1 });
    for (const topic of topicsOf('one').slice(1)) retain('one', topic);
    retain('two', 'two-0');
    expect(await refused(() => retain('two', 'two-1', 64_000))).toEqual({ user: 1 });
    for (const user of ['a', 'b', 'c', 'd']) fillBytes(user);
    open('late');
    const topics = topicsOf('late').slice(0, 8);
    const { user = 0, room = 0 } = await refused(() => topics.forEach((topic) => retain('late', topic, 64_000)));
    expect(user).toBe(0);
    expect(room).toBe(topics.length - keptOf('late'));
    expect(room).toBeGreaterThan(0);
  });
});
