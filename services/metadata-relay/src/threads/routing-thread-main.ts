// Entry point of the routing thread: reads frames from one ring, routes them, and writes operations to the other.
import { parentPort, workerData } from 'node:worker_threads';
import { type ChannelKind, FlotillaError, maxMetadataFrameBytes } from '@flotilla/contracts';
import { RingConsumer, RingProducer } from '@flotilla/data-channel/ring';
import { RoomRouting, type RoutingClock } from '../routing/room-routing.ts';
import type { Outlet } from '../routing/outlet.ts';
import { watchCounters } from './counters.ts';
import type { Call, ThreadData, ThreadMessage } from './messages.ts';
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

const post = (message: ThreadMessage): void => parentPort!.postMessage(message, []);

/** Writes a record. Blocks while the ring is full, which throttles routing to the speed of the main thread. */
function push(tag: number, opcode: Opcode, channel: ChannelKind, number: number, payload?: Uint8Array) {
  const record = writer.write(opcode, channel, number, payload);
  while (!producer.tryPush(record, tag)) Atomics.wait(pause, 0, 0, 1);
}

function outletOf(room: number, numbers: ReadonlyMap<string, number>): Outlet {
  const to = (linkId: string, opcode: Opcode, channel: ChannelKind, number = 0, frame?: Uint8Array) => {
    const link = numbers.get(linkId);
    if (link !== undefined) push(link, opcode, channel, number, frame);
  };
  return {
    fanOut: (frame, subchannel) => push(room, 'fanOut', 'reliable', subchannel, frame),
    send: (linkId, channel, frame) => to(linkId, 'send', channel, 0, frame),
    addSubchannel: (linkId, channel, subchannel) => to(linkId, 'addSubchannel', channel, subchannel),
    removeSubchannel: (linkId, channel, subchannel) => to(linkId, 'removeSubchannel', channel, subchannel),
    pause: (linkId, channel) => to(linkId, 'pause', channel),
    resume: (linkId, channel) => to(linkId, 'resume', channel),
    queryBuffered: (linkId, channel) => to(linkId, 'queryBuffered', channel),
    disconnect: (linkId) => to(linkId, 'disconnect', 'reliable'),
    forward: ({ frame, ...rest }) => {
      const header = Buffer.from(JSON.stringify(rest));
      push(room, 'forward', 'reliable', header.length, Buffer.concat([header, frame]));
    },
    retain: (message) => post({ type: 'retain', room, message }),
    forget: (topic, publisherId) => post({ type: 'forget', room, topic, publisherId }),
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

function execute({ room: number, call, args, link }: Call): unknown {
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
    const result = execute(message);
    if (id !== undefined) post({ type: 'answer', id, result });
  } catch (error) {
    if (id === undefined) throw error;
    post({ type: 'answer', id, error: FlotillaError.from(error).body });
  }
});
watchCounters((increases) => post({ type: 'counters', increases }));

const channels = ['reliable', 'limited', 'unreliable'] as const;
while (!consumer.ended) {
  if (!(await consumer.waitAsync(1000))) continue;
  for (let frame = consumer.tryPop(); frame; frame = consumer.tryPop()) {
    // The tag is the number of the link and, in its lowest two bits, the channel.
    const link = links.get(consumer.tag >>> 2);
    link?.room.routing.receive(link.linkId, channels[consumer.tag & 3]!, frame);
  }
}
