import {
  maxRetainedUserBytes,
  maxRetainedValuesPerUser,
  maxTopicsPerRoom,
  maxTopicsPerSession,
  type RetainedMessage,
} from '@flotilla/contracts';
import { decodeFrame, encodeFrame, stampFrame } from '@flotilla/data-channel';
import type { RetainedKey } from '@flotilla/store';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Outlet } from '../src/routing/outlet.ts';
import { RoomRouting } from '../src/routing/room-routing.ts';

/** The store and the other relays, as routing changes them, and what clients were sent. */
class Recorder implements Outlet {
  /** By publisher and topic. */
  readonly stored = new Map<string, RetainedMessage>();
  readonly sent: { link: string; topic: string; publisherId: string }[] = [];

  send(link: string, _channel: string, frame: Uint8Array): void {
    const { body, stamp } = decodeFrame(frame, 'relay');
    if (body.case === 'shard') this.sent.push({ link, topic: body.value.topic, publisherId: stamp!.publisherId });
  }
  retain(message: RetainedMessage): void {
    this.stored.set(`${message.publisherId} ${message.topic}`, message);
  }
  forget({ publisherId, topic }: RetainedKey): void {
    this.stored.delete(`${publisherId} ${topic}`);
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
  test('that left are sent to newcomers; those of one that is barred are not, and are deleted in the store', () => {
    for (const name of ['ada', 'eve']) {
      open(name);
      for (const topic of ['shared', `of-${name}`]) retain(name, topic);
    }
    leave('ada');
    routing.close('eve');
    routing.bar(['pt_eve']);
    expect(sentToNewcomer()).toEqual(['pt_ada shared', 'pt_ada of-ada']);
    expect([...outlet.stored.keys()]).toEqual(['pt_ada shared', 'pt_ada of-ada']);
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
});
