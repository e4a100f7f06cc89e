import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { authorizationFor } from '../src/rtsp/authorization.ts';
import type { IngestError } from '../src/ingest-error.ts';
import { MessageReader, type RtspMessage } from '../src/rtsp/message-reader.ts';
import { RtspConnection } from '../src/rtsp/rtsp-connection.ts';
import { parameterSetsOf, parseSdp } from '../src/rtsp/sdp.ts';

const credentials = { user: 'Mufasa', password: 'Circle Of Life' };

describe('RTSP authorization', () => {
  test('answers Digest as RFC 2069 does without qop', () => {
    const authorize = authorizationFor(
      ['Basic realm="camera"', 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'],
      credentials,
    )!;
    // The example of RFC 2617, section 3.5, without qop.
    expect(authorize('GET', '/dir/index.html')).toContain('response="670fd8c2df070c60b045671b8b24ff02"');
  });

  test('answers Digest with SHA-256 and qop, with a new count for each request', () => {
    const authorize = authorizationFor(['Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'], credentials)!;
    const [first, second] = [authorize('PLAY', 'rtsp://camera/'), authorize('PLAY', 'rtsp://camera/')];
    expect(first).toMatch(/qop=auth, nc=00000001, cnonce="[0-9a-f]{16}", response="[0-9a-f]{64}"$/);
    expect(second).toContain('nc=00000002');
  });

  test('answers Basic where nothing else is offered, and nothing unknown', () => {
    expect(authorizationFor(['Basic realm="camera"'], { user: 'a', password: 'b' })!('PLAY', '')).toBe('Basic YTpi');
    expect(authorizationFor(['Bearer', 'Digest algorithm=SHA-512-256'], credentials)).toBeUndefined();
  });
});

describe('an RTSP message reader', () => {
  const read = (chunks: readonly Buffer[]) => {
    const [messages, packets]: [RtspMessage[], [number, string][]] = [[], []];
    const reader = new MessageReader({
      onMessage: (message) => messages.push(message),
      onPacket: (channel, packet) => packets.push([channel, packet.toString('hex')]),
    });
    for (const chunk of chunks) reader.push(chunk);
    return { messages, packets };
  };
  const stream = Buffer.concat([
    Buffer.from('RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc'),
    Buffer.from([0x24, 1, 0, 2, 0xaa, 0xbb]),
    Buffer.from('\r\nRTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nwww-authenticate: Digest\r\n\r\n'),
    Buffer.from([0x24, 0, 0, 0]),
  ]);

  test('reads messages and interleaved packets, however they are cut', () => {
    const whole = read([stream]);
    expect(whole.messages.map(({ start, body }) => [start, body])).toEqual([
      ['RTSP/1.0 200 OK', 'abc'],
      ['RTSP/1.0 401 Unauthorized', ''],
    ]);
    expect(whole.messages[1]!.headers.get('www-authenticate')).toEqual(['Basic', 'Digest']);
    expect(whole.packets).toEqual([
      [1, 'aabb'],
      [0, ''],
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        expect(read(at.slice(1).map((end, index) => stream.subarray(at[index], end)))).toEqual(whole);
      }),
    );
  });

  test('refuses a header and a body without bound', () => {
    expect(() => read([Buffer.alloc(20_000, 'a')])).toThrow('a header of more than 16384 bytes');
    expect(() => read([Buffer.from('RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n')])).toThrow('a body');
    expect(() => read([Buffer.from('RTSP/1.0 200 OK\r\nContent-Length: -4\r\n\r\n')])).toThrow('a body');
  });

  test('refuses a header of more than 128 lines', () => {
    const response = (lines: number): Buffer => Buffer.from(`RTSP/1.0 200 OK\r\n${'a: b\r\n'.repeat(lines)}\r\n`);
    expect(read([response(128)]).messages[0]!.headers.get('a')).toHaveLength(128);
    expect(() => read([response(129)])).toThrow('a header of more than 128 lines');
  });

  test('reads a header once, however many segments its body comes in', () => {
    const body = Buffer.alloc(65_536, 'a');
    const header = Buffer.from(`RTSP/1.0 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
    const whole = Buffer.concat([header, body, stream]);
    const copied = vi.spyOn(Buffer, 'concat');
    const segments = Array.from({ length: whole.length }, (_, at) => whole.subarray(at, at + 1));
    const { messages, packets } = read(segments);
    const times = copied.mock.calls.length;
    copied.mockRestore();
    expect(messages.map(({ body: { length } }) => length)).toEqual([body.length, 3, 0]);
    expect(packets).toHaveLength(2);
    // Once for each byte outside of the body.
    expect(times).toBeLessThan(header.length + stream.length + 10);
  });

  test('takes any bytes, or refuses them with an error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (chunks) => {
        try {
          read(chunks.map((chunk) => Buffer.from(chunk)));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe('an RTSP connection', () => {
  test('ends when the camera goes on with requests and does not read the responses', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const connected = once(server, 'connection') as Promise<[Socket]>;
      const { promise: closed, resolve } = Promise.withResolvers<IngestError>();
      const { port } = server.address() as AddressInfo;
      await RtspConnection.open(new URL(`rtsp://127.0.0.1:${port}/`), credentials, {
        onPacket: () => undefined,
        onClosed: resolve,
      });
      const [camera] = await connected;
      camera.on('error', () => undefined).pause();
      const requests = 'ANNOUNCE rtsp://camera/ RTSP/1.0\r\nCSeq: 1\r\n\r\n'.repeat(1000);
      const send = (): void => void camera.write(requests, (error) => error || send());
      send();
      expect(await closed).toMatchObject({
        code: 'SOURCE_INVALID',
        message: 'the camera sends requests and does not read the responses',
      });
      camera.destroy();
    } finally {
      server.close();
    }
  });
});

describe('SDP of cameras', () => {
  test('names codecs, parameter sets and controls of each medium', () => {
    const { control, media } = parseSdp(
      [
        'v=0',
        'a=control:*',
        'm=video 0 RTP/AVP 96',
        'a=rtpmap:96 H264/90000',
        'a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IAH4DI,aM48gA==;profile-level-id=42001F',
        'a=control:trackID=1',
        'm=audio 0 RTP/AVP 8',
        'a=control:rtsp://camera/audio',
        '',
      ].join('\r\n'),
    );
    expect(control).toBe('*');
    expect(media.map(({ kind, codec, clockRate, control: of }) => [kind, codec, clockRate, of])).toEqual([
      ['video', 'H264', 90_000, 'trackID=1'],
      ['audio', 'PCMA', 8000, 'rtsp://camera/audio'],
    ]);
    const sets = parameterSetsOf(media[0]!.parameters.get('sprop-parameter-sets')!);
    expect(sets.map((set) => set[0]! & 31)).toEqual([7, 8]);
  });

  test('any text is read without an error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('m=video 0 RTP/AVP 96', 'a=rtpmap:96 ', 'a=fmtp:96 ;=;', 'm=x', '\r\n', 'é')),
        (parts) => {
          expect(parseSdp(parts.join('\n')).media.length).toBeLessThanOrEqual(16);
        },
      ),
    );
  });
});
