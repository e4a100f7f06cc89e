import { closeCodes } from '@flotilla/contracts';
import { expect } from 'vitest';
import { HonestPair } from './honest-pair.ts';
import {
  frame,
  notYet,
  opcodes,
  RawFrames,
  type Topology,
  upgradeRequest,
  waitFor,
  withToken,
} from '@flotilla/testkit';
import type { HostileScenario } from './hostile-frames.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

async function intruder(topology: Topology, pair: HonestPair): Promise<RawFrames> {
  return RawFrames.upgraded(topology.signalUrls[0]!, withToken(await topology.api.issueToken(pair.room)));
}

/** Status of a refused upgrade; 0 when the connection ends without one. */
async function refusedWith(topology: Topology, head: (url: URL) => string): Promise<number> {
  const raw = await RawFrames.open(topology.signalUrls[0]!);
  raw.write(head(raw.url));
  try {
    return await waitFor('a refusal', () => raw.status ?? (raw.ended ? 0 : notYet('there is no answer')), {
      everyMs: 5,
    });
  } finally {
    raw.destroy();
  }
}

export const hostileConnections: readonly HostileScenario[] = [
  {
    title: 'an invalid opening handshake is refused with its status, and 70 KB of headers with 431',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const credentials = withToken(await topology.api.issueToken(pair.room));
        const statusOf = (headers: Record<string, string>, change = (head: string): string => head): Promise<number> =>
          refusedWith(topology, (url) => change(upgradeRequest(url, { ...credentials, ...headers }, key)));
        const statuses = {
          'another version': await statusOf({ 'Sec-WebSocket-Version': '8' }),
          'no key': await statusOf({ 'Sec-WebSocket-Key': '' }),
          'a short key': await statusOf({ 'Sec-WebSocket-Key': 'AAAA' }),
          'another protocol to upgrade to': await statusOf({ Upgrade: 'h2c' }),
          'by POST': await statusOf({}, (head) => head.replace('GET', 'POST')),
          'the same entry twice': await statusOf({ 'Sec-WebSocket-Protocol': 'flotilla.v1, flotilla.v1' }),
          '70 KB of headers': await statusOf({ 'X-Padding': 'x'.repeat(70_000) }),
          'no HTTP at all': await refusedWith(topology, () => '\u0016\u0003\u0001 hello\r\n\r\n'),
        };
        expect(statuses).toEqual({
          'another version': 426,
          'no key': 400,
          'a short key': 400,
          'another protocol to upgrade to': 400,
          'by POST': 400,
          'the same entry twice': 400,
          '70 KB of headers': 431,
          'no HTTP at all': 400,
        });
        // None of them has used the token.
        const raw = await RawFrames.upgraded(topology.signalUrls[0]!, credentials);
        raw.destroy();
      }),
  },
  {
    title: 'connections with endless headers, endless frames or no traffic do not delay other sessions',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const slow = await Promise.all(Array.from({ length: 50 }, () => RawFrames.open(topology.signalUrls[0]!)));
        for (const raw of slow) raw.write(`GET ${raw.url.pathname} HTTP/1.1\r\nHost: ${raw.url.host}\r\n`);
        const silent = await Promise.all(Array.from({ length: 20 }, () => intruder(topology, pair)));
        // Half a frame each; from then on they neither write nor read.
        for (const raw of silent) {
          raw.write(frame(opcodes.text, '{"id":"1","type":"ping"}').subarray(0, 9));
          raw.socket.pause();
        }
        await pair.after(20);
        for (const [index, raw] of slow.entries()) raw.write(`X-${index}: 1\r\n`);
        expect(slow.filter(({ status }) => status !== undefined)).toEqual([]);
        for (const raw of [...slow, ...silent]) raw.destroy();
      }),
  },
  {
    title: 'a socket that does not answer the close frame is destroyed within seconds',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const raw = await intruder(topology, pair);
        raw.send(opcodes.text, 'unmasked', { masked: false });
        expect(await raw.closeCode()).toBe(closeCodes.PROTOCOL_ERROR);
        const closedAt = performance.now();
        await waitFor(
          'the cut',
          () => {
            // Only a write reveals that the other end has closed.
            raw.write(frame(opcodes.pong));
            if (!raw.socket.destroyed) notYet('it can still be written to');
          },
          { timeoutMs: 10_000 },
        );
        report(`cut after ${((performance.now() - closedAt) / 1000).toFixed(1)} s`);
        raw.destroy();
      }),
  },
  {
    title: 'a flood of pings ends the connection before the queued pongs exhaust memory',
    run: (topology, report) =>
      HonestPair.beside(topology, report, async (pair) => {
        const raw = await intruder(topology, pair);
        raw.write(Buffer.concat(Array.from({ length: 20_000 }, () => frame(opcodes.ping, 'x'.repeat(125)))));
        // Without a close frame: a client that does not read its pongs would not read it.
        expect(await raw.closeCode()).toBe(1006);
        const pongs = raw.frames.filter(({ opcode }) => opcode === opcodes.pong).length;
        report(`${pongs} of 20,000 pings were answered`);
        expect(pongs).toBeLessThan(20_000);
        raw.destroy();
      }),
  },
];
