import { commands, ErrorCode } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { testParser } from '@flotilla/testkit/fuzz';
import { beforeAll, expect } from 'vitest';
import {
  CommandBus,
  type CommandHandlers,
  MemoryCommandTransport,
  type MessageHandler,
  parseRoomEvents,
} from '../src/index.ts';

/** Hands messages to the bus as a broker does. */
class Broker extends MemoryCommandTransport {
  deliver!: MessageHandler;

  override serve(...[queue, kind, handler]: Parameters<MemoryCommandTransport['serve']>) {
    this.deliver = handler;
    return super.serve(queue, kind, handler);
  }
}

const broker = new Broker();
const handlers = Object.fromEntries(Object.keys(commands).map((type) => [type, async () => ({})]));
beforeAll(async () => {
  const bus = new CommandBus(broker, createLogger({ service: 'test', level: 'fatal' }));
  await bus.serve('sfu.nd_a', 'exclusive', handlers as unknown as CommandHandlers<keyof typeof commands>);
});

/** In place of the id of a command: one with a known id is answered as before. */
const idPlaceholder = '@id@';
let lastId = 0;

testParser('command from RabbitMQ', new URL('corpus/command/', import.meta.url), {
  outcomes: ['ok', 'dead letter', 'UNKNOWN_TYPE', 'UNAVAILABLE', 'BAD_PAYLOAD'],
  maxBytes: 262_144,
  json: true,
  words: [...Object.keys(commands), idPlaceholder, 'constructor', 'hasOwnProperty', 'traceparent'],
  outcomeOf: async (input) => {
    const { answer, deadLetter } = await broker.deliver(
      input.toString().replaceAll(idPlaceholder, String(++lastId)),
      {},
    );
    if (answer === undefined) return deadLetter === undefined ? 'neither answer nor dead letter' : 'dead letter';
    const { ok, error } = JSON.parse(answer) as { ok: boolean; error?: { code: string } };
    return ok ? 'ok' : ErrorCode.parse(error?.code);
  },
});

testParser('room event from Redis', new URL('corpus/room-event/', import.meta.url), {
  outcomes: ['accepted', 'skipped'],
  maxBytes: 65_536,
  json: true,
  words: ['participant_joined', 'message', 'room:rm_a', 'pt_a', 'ss_a', 'constructor'],
  outcomeOf: (input) => {
    const entry = { offset: '1-0', data: input.toString() };
    const known = { offset: '2-0', data: '{"type":"room_deleted","from":"system","payload":{}}' };
    // An entry that cannot be read hides no other.
    const [first, ...others] = parseRoomEvents([entry, known]);
    if (first?.offset === '2-0') return 'skipped';
    expect(others).toMatchObject([{ offset: '2-0' }]);
    return 'accepted';
  },
});
