import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { rtpPacket } from '@flotilla/edge-peer';
import { readRtcp } from '@flotilla/rtp';
import { freePort } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PortPair, UdpPorts } from '../src/rtp/udp-ports.ts';
import type { RtpPacket } from '../src/rtp/rtp-packet.ts';
import { RtpSource } from '../src/sources/rtp-source.ts';

const payloadType = 96;

describe('an RTP source', () => {
  let source: RtpSource;
  let ports: UdpPorts;
  let received: RtpPacket[];
  let sender: Socket;
  const cleanups: (() => void)[] = [];

  beforeEach(async () => {
    const base = await freePort();
    // Two pairs, whatever the parity of the port.
    ports = new UdpPorts('127.0.0.1', { min: base, max: base + 4 });
    received = [];
    source = await open(50_000_000);
    sender = await socketAt('127.0.0.1');
  });
  afterEach(() => {
    for (const clean of cleanups.splice(0)) clean();
  });

  async function open(maxBitsPerSecond: number): Promise<RtpSource> {
    const opened = await RtpSource.open(
      ports,
      { media: [{ kind: 'video', codec: 'VP8', payloadType, parameterSets: [] }], maxBitsPerSecond },
      {
        onMedia: () => undefined,
        onPacket: (_kind, packet) => received.push({ ...packet, payload: Buffer.from(packet.payload) }),
        onProblem: () => undefined,
        onEnded: () => undefined,
      },
    );
    cleanups.push(() => opened.close());
    return opened;
  }

  async function socketAt(address: string): Promise<Socket> {
    const socket = createSocket('udp4').bind(0, address);
    await once(socket, 'listening');
    cleanups.push(() => socket.close());
    return socket;
  }

  const stream = (ssrc: number, sequence = 100) => ({ ssrc, payloadType, sequence, timestamp: 0 });
  const next = (of: ReturnType<typeof stream>): Buffer => rtpPacket(of, { marker: true, payloadBytes: 10 }).packet;
  const send = (packet: Buffer, { from = sender, to = source }: { from?: Socket; to?: RtpSource } = {}): void =>
    from.send(packet, to.ports.video, '127.0.0.1');
  const counted = (count: number): Promise<void> =>
    waitFor(`${count} packets`, () => (received.length >= count ? undefined : notYet(String(received.length))), {
      everyMs: 5,
    });

  test('passes packets on in order, and requests those that are missing until they arrive', async () => {
    const of = stream(1);
    const packets = Array.from({ length: 6 }, () => next(of));
    const requested = new Set<number>();
    sender.on('message', (rtcp) => {
      for (const message of readRtcp(rtcp))
        if (message.type === 'nack') {
          for (const sequence of message.sequences) requested.add(sequence);
          send(packets[2]!);
        }
    });
    for (const index of [0, 1, 4, 3, 5]) send(packets[index]!);
    await counted(6);
    expect(received.map(({ sequence }) => sequence)).toEqual([100, 101, 102, 103, 104, 105]);
    expect(requested).toContain(102);
    expect(source.stats().video).toMatchObject({ packets: 6, lost: 0 });
  });

  test('requests key frames of its sender, not more often than every 300 ms', async () => {
    const of = stream(1);
    let requests = 0;
    sender.on('message', (rtcp) => {
      for (const message of readRtcp(rtcp)) if (message.type === 'picture loss' && message.ssrc === 1) requests++;
    });
    send(next(of));
    await counted(1);
    for (let index = 0; index < 50; index++) source.requestKeyFrame();
    await waitFor('a request', () => requests > 0 || notYet('there is none'), { everyMs: 5 });
    expect(requests).toBe(1);
  });

  test('drops what is no RTP of the stream, and continues', async () => {
    const of = stream(1);
    send(next(of));
    await counted(1);
    const otherType = next(stream(1));
    otherType[1] = 5;
    const garbage = [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(1400, 255), Buffer.alloc(20), otherType];
    for (const datagram of garbage) send(datagram);
    // A padding that is longer than the packet, and extensions and sources that are.
    for (const first of [0xa0, 0x90, 0x8f]) {
      const malformed = next(stream(1, 500));
      malformed[0] = first;
      malformed[malformed.length - 1] = 200;
      malformed.writeUInt16BE(9000, 14);
      send(malformed);
    }
    send(next(of));
    await counted(2);
    expect(received.map(({ sequence }) => sequence)).toEqual([100, 101]);
    expect(source.stats().video).toMatchObject({ packets: 2, invalid: garbage.length + 3 });
  });

  test('ignores another address and a few packets with another SSRC, and follows a source that changes its SSRC', async () => {
    const [first, second] = [stream(1), stream(2, 9000)];
    send(next(first));
    await counted(1);
    const stranger = await socketAt('127.0.0.2');
    for (let index = 0; index < 30; index++) send(next(stream(3)), { from: stranger });
    for (let index = 0; index < 10; index++) send(next(second));
    send(next(first));
    await counted(2);
    expect(received.map(({ ssrc }) => ssrc)).toEqual([1, 1]);
    for (let index = 0; index < 30; index++) send(next(second));
    await waitFor('the new SSRC', () => received.at(-1)!.ssrc === 2 || notYet('it is not accepted'), { everyMs: 5 });
    expect(received.some(({ ssrc }) => ssrc === 3)).toBe(false);
  });

  test('drops what is above its maximum bit rate', async () => {
    const limited = await open(100_000);
    const of = stream(1);
    for (let index = 0; index < 40; index++)
      send(rtpPacket(of, { marker: false, payloadBytes: 1200 }).packet, { to: limited });
    await waitFor('all packets', () => {
      const { packets, dropped } = limited.stats().video!;
      if (packets + dropped < 40) notYet(`${packets} and ${dropped}`);
    });
    expect(limited.stats().video!.dropped).toBeGreaterThan(20);
  });

  test('ignores datagrams from port 0, which cannot be answered', async () => {
    const pairs: PortPair[] = [];
    const openPair = ports.open.bind(ports);
    ports.open = async () => {
      const pair = await openPair();
      pairs.push(pair);
      return pair;
    };
    const other = await open(1_000_000);
    const packet = next(stream(1));
    pairs[0]!.onDatagram(packet, { address: '127.0.0.1', family: 'IPv4', port: 0, size: packet.length }, false);
    expect(other.stats().video).toMatchObject({ packets: 0 });
    expect(() => other.requestKeyFrame()).not.toThrow();
    for (const port of [0, -1, 65_536, Number.NaN])
      expect(() => pairs[0]!.send(packet, port, '127.0.0.1', true)).not.toThrow();
  });

  test('is refused without a free pair of ports, and frees its own when it is closed', async () => {
    const second = await open(1_000_000);
    await expect(open(1_000_000)).rejects.toMatchObject({ code: 'NO_PORTS' });
    second.close();
    expect((await open(1_000_000)).ports.video).toBe(second.ports.video);
  });
});
