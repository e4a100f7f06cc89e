import { closeCodes, maxFrameBytes } from '@flotilla/contracts';
import { expect } from 'vitest';
import { HonestPair } from './honest-pair.ts';
import {
  closeBody,
  frame,
  frameAbuses,
  notYet,
  opcodes,
  RawFrames,
  type Topology,
  waitFor,
  withToken,
} from '@flotilla/testkit';

/** An abuse and its documented answer, while an honest pair keeps exchanging messages. */
export interface HostileScenario {
  readonly title: string;
  readonly run: (topology: Topology, report: (line: string) => void) => Promise<void>;
}

const { text, binary, continuation, close, ping, pong } = opcodes;
const more = { fin: false };
const request = (id: string, type = 'ping'): string => JSON.stringify({ id, type, payload: {} });

/** Opens a session. Returns its raw connection. */
async function intruder(
  topology: Topology,
  pair: HonestPair,
  headers: Record<string, string> = {},
): Promise<RawFrames> {
  const token = await topology.api.issueToken(pair.room);
  const raw = await RawFrames.upgraded(topology.signalUrls[0]!, { ...withToken(token), ...headers });
  await waitFor('the welcome', () => raw.messages[0] ?? notYet('nothing arrived'), { everyMs: 5 });
  return raw;
}

const replyTo = (raw: RawFrames, id: string | null): Promise<Record<string, unknown>> =>
  waitFor(
    `the reply to ${id}`,
    () =>
      raw.messages.find((message) => 'replyTo' in message && message['replyTo'] === id) ??
      notYet(raw.ended ? 'the connection has ended' : 'none arrived'),
    { everyMs: 5 },
  );

/** Checks that each abuse of this close code, on a separate connection, is closed with it. */
const closedWith =
  (code: keyof typeof frameAbuses): HostileScenario['run'] =>
  (topology, report) =>
    HonestPair.beside(topology, report, async (pair) => {
      const answers: Record<string, number> = {};
      for (const [name, frames] of Object.entries<readonly Buffer[]>(frameAbuses[code])) {
        const raw = await intruder(topology, pair);
        for (const bytes of frames) raw.write(bytes);
        answers[name] = await raw.closeCode().catch(() => 0);
        raw.destroy();
      }
      expect(answers).toEqual(Object.fromEntries(Object.keys(frameAbuses[code]).map((name) => [name, code])));
    });

export const hostileFrames: readonly HostileScenario[] = [
  {
    title: 'frames that RFC 6455 does not allow close the connection with 1002',
    run: closedWith(closeCodes.PROTOCOL_ERROR),
  },
  {
    title:
      'text that is not UTF-8 closes the connection with 1007, in one frame, across fragments, and as a close reason',
    run: closedWith(closeCodes.INVALID_TEXT),
  },
  {
    title: 'a message above 64 KiB closes the connection with 1009, by its header, in one frame, or in fragments',
    run: closedWith(closeCodes.MESSAGE_TOO_BIG),
  },
  {
    title: 'a message in endless fragments, empty or not, closes the connection with 1008',
    run: closedWith(closeCodes.TOO_MANY_FRAGMENTS),
  },
  {
    title:
      'unusual but valid frames are answered: fragments with pings between, one byte at a time, 64 KiB, empty, and binary',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const raw = await intruder(topology, pair);
        const [head, tail] = [Buffer.from('{"id":"€'), Buffer.from('","type":"ping"}')];
        raw.send(text, head.subarray(0, 8), more);
        raw.send(ping, 'between');
        raw.send(continuation, '', more);
        raw.send(continuation, Buffer.concat([head.subarray(8), tail]));
        expect(await replyTo(raw, '€')).toMatchObject({ ok: true });
        expect(raw.frames.find(({ opcode }) => opcode === pong)?.payload.toString()).toBe('between');

        for (const byte of frame(text, request('trickled'))) {
          raw.write(Uint8Array.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(await replyTo(raw, 'trickled')).toMatchObject({ ok: true });

        const padded = request('largest');
        raw.send(text, padded + ' '.repeat(maxFrameBytes - padded.length));
        expect(await replyTo(raw, 'largest')).toMatchObject({ ok: true });

        const refused = (): number => raw.messages.filter((message) => message['replyTo'] === null).length;
        for (const [opcode, payload] of [
          [binary, request('1')],
          [text, ''],
          [binary, ''],
        ] as const) {
          const before = refused();
          raw.send(opcode, payload);
          await waitFor('a refusal', () => refused() > before || notYet('there is none'), { everyMs: 5 });
        }
        for (const message of raw.messages.filter((each) => each['replyTo'] === null))
          expect(message).toMatchObject({ ok: false, error: { code: 'BAD_MESSAGE' } });
        raw.destroy();
      }),
  },
  {
    title: 'frames after a close frame are ignored, and the close is answered with its code',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const raw = await intruder(topology, pair);
        raw.write(Buffer.concat([frame(close, closeBody(1000, 'bye')), frame(text, request('late')), frame(ping)]));
        expect(await raw.closeCode()).toBe(1000);
        await waitFor('the end of the connection', () => raw.ended || notYet('it stays open'));
        expect(raw.messages.some((message) => message['replyTo'] === 'late')).toBe(false);
        expect(raw.frames.some(({ opcode }) => opcode === pong)).toBe(false);
        raw.destroy();
      }),
  },
  {
    title: 'compression is not negotiated, and a compressed frame closes the connection with 1002',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const raw = await intruder(topology, pair, {
          'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits, x-webkit-deflate-frame',
        });
        expect(raw.response).not.toMatch(/sec-websocket-extensions/i);
        raw.send(text, request('1'), { rsv: 4 });
        expect(await raw.closeCode()).toBe(closeCodes.PROTOCOL_ERROR);
        raw.destroy();
      }),
  },
];
