// The routing thread: takes frames from one ring, routes them, and puts what is to be done into the other.
import { parentPort, workerData } from 'node:worker_threads';
import { type ChannelKind, FlotillaError, maxMetadataFrameBytes } from '@flotilla/contracts';
import { RingConsumer, RingProducer } from '@flotilla/data-channel/ring';
import { RoomRouting, type RoutingClock } from '../routing/room-routing.ts';
import type { Outlet } from '../routing/outlet.ts';
import { watchCounters } from './counters.ts';
import type { Call, ThreadData, ThreadWord } from './messages.ts';
import { type Opcode, RecordWriter } from './record.ts';

const { incoming, outgoing, timeOffset, limits } = workerData as ThreadData;
const producer = new RingProducer(outgoing);
const consumer = new RingConsumer(incoming);
const offset = new BigInt64Array(timeOffset);
const writer = new RecordWriter(maxMetadataFrameBytes + 512);
const pause = new Int32Array(new SharedArrayBuffer(4));

const clock: RoutingClock = {
  monotonicMs: () => performance.now(),
  fleetMicros: () => Number(process.hrtime.bigint() / 1000n + Atomics.load(offset, 0)),
};

interface Room {
  readonly routing: RoomRouting;
  readonly links: Map<string, number>;
}
const rooms = new Map<number, Room>();
const links = new Map<number, { room: Room; linkId: string }>();

const say = (word: ThreadWord): void => parentPort!.postMessage(word, []);

/** The other side is behind: this thread has nothing better to do than to wait for it. */
function push(tag: number, opcode: Opcode, channel: ChannelKind, flag: boolean, number: number, payload?: Uint8Array) {
  const record = writer.write(opcode, channel, flag, number, payload);
  while (!producer.tryPush(record, tag)) Atomics.wait(pause, 0, 0, 1);
}

function outletOf(room: number, numbers: ReadonlyMap<string, number>): Outlet {
  const to = (linkId: string, opcode: Opcode, channel: ChannelKind, flag = false, number = 0, frame?: Uint8Array) => {
    const link = numbers.get(linkId);
    if (link !== undefined) push(link, opcode, channel, flag, number, frame);
  };
  return {
    fanOut: (frame, subchannel) => push(room, 'fanOut', 'reliable', false, subchannel, frame),
    send: (linkId, channel, frame) => to(linkId, 'send', channel, false, 0, frame),
    carry: (linkId, channel, subchannel, on) => to(linkId, 'carry', channel, on, subchannel),
    hold: (linkId, channel, held) => to(linkId, 'hold', channel, held),
    askBacklog: (linkId, channel) => to(linkId, 'askBacklog', channel),
    expel: (linkId) => to(linkId, 'expel', 'reliable'),
    forward: ({ frame, ...rest }) => {
      const header = Buffer.from(JSON.stringify(rest));
      push(room, 'forward', 'reliable', false, header.length, Buffer.concat([header, frame]));
    },
    retain: (message) => say({ say: 'retain', room, message }),
    forget: (topic, publisherId) => say({ say: 'forget', room, topic, publisherId }),
  };
}

function roomOf(number: number): Room {
  let room = rooms.get(number);
  if (!room) {
    const numbers = new Map<string, number>();
    room = { links: numbers, routing: new RoomRouting(outletOf(number, numbers), limits, clock) };
    rooms.set(number, room);
  }
  return room;
}

function forgetLink(room: Room, linkId: string): void {
  links.delete(room.links.get(linkId) ?? -1);
  room.links.delete(linkId);
}

function carryOut({ room: number, call, args, link }: Call): unknown {
  const room = roomOf(number);
  if (call === 'end') {
    for (const linkId of room.links.keys()) forgetLink(room, linkId);
    rooms.delete(number);
    return undefined;
  }
  if (call === 'open') {
    room.links.set(args[0] as string, link!);
    links.set(link!, { room, linkId: args[0] as string });
  }
  const result = (room.routing[call] as (...args: unknown[]) => unknown)(...args);
  if (call === 'close') forgetLink(room, args[0] as string);
  return result;
}

parentPort!.on('message', (message: Call) => {
  const { id } = message;
  try {
    const result = carryOut(message);
    if (id !== undefined) say({ say: 'answer', id, result });
  } catch (error) {
    if (id === undefined) throw error;
    say({ say: 'answer', id, error: FlotillaError.from(error).body });
  }
});
watchCounters((counts) => say({ say: 'counted', counts }));

const channels = ['reliable', 'limited', 'unreliable'] as const;
while (!consumer.ended) {
  if (!(await consumer.waitAsync(1000))) continue;
  for (let frame = consumer.tryPop(); frame; frame = consumer.tryPop()) {
    // Two bits of the tag are the channel.
    const link = links.get(consumer.tag >>> 2);
    link?.room.routing.receive(link.linkId, channels[consumer.tag & 3]!, frame);
  }
}
