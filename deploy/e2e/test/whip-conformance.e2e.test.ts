import type { Grant } from '@flotilla/contracts';
import { RawClient, joinWithMedia, publishAudio, type Topology } from '@flotilla/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { useStandalone } from './use-topology.ts';
import { answerTo, offerOf, playOffer, publishOffer } from './whip-offers.ts';

/** Titles of RFC 9725 name its sections; those of WHEP are of draft-ietf-wish-whep-04, which are named by their titles. */
describe('WHIP and WHEP', () => {
  let topology: Topology;
  let room: string;
  useStandalone((it) => (topology = it));
  beforeAll(async () => {
    room = await topology.api.newRoom('conformance', { maxParticipants: 200 });
  });

  const url = (path: string): string => new URL(path, topology.pageUrl).href;
  const token = (grants: Grant[] = ['publish', 'subscribe']): Promise<string> =>
    topology.api.issueToken(room, { grants });

  interface Sent {
    readonly token?: string;
    readonly type?: string | undefined;
    readonly ifMatch?: string;
    readonly headers?: Record<string, string>;
  }
  async function send(method: string, path: string, body?: string, sent: Sent = {}) {
    const response = await fetch(url(path), {
      method,
      headers: {
        ...(sent.token !== undefined && { authorization: `Bearer ${sent.token}` }),
        ...(sent.type !== undefined && { 'content-type': sent.type }),
        ...(sent.ifMatch !== undefined && { 'if-match': sent.ifMatch }),
        ...sent.headers,
      },
      ...(body !== undefined && { body }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }
  const sdp = 'application/sdp';
  const fragmentType = 'application/trickle-ice-sdpfrag';
  const post = async (path: string, offer: string, sent: Sent = {}) =>
    send('POST', path, offer, { token: await token(), type: sdp, ...sent });
  const whip = (): string => `/whip/${room}`;
  const whep = (query = ''): string => `/whep/${room}${query}`;
  async function created(path = whip(), offer = publishOffer()) {
    const used = await token();
    const response = await post(path, offer, { token: used });
    const location = response.headers.get('location')!;
    return { ...response, location, etag: response.headers.get('etag')!, token: used };
  }
  const fragment = (ufrag: string): string =>
    `a=ice-ufrag:${ufrag}\r\na=ice-pwd:0123456789abcdef01234567\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n`;

  describe('endpoint', () => {
    test('RFC 9725 section 4.2: POST of an offer is answered 201 with Location, a strong ETag and the SDP answer', async () => {
      const { status, headers, location, etag, text, token: used } = await created();
      expect({ status, type: headers.get('content-type') }).toEqual({ status: 201, type: sdp });
      expect(location).toMatch(new RegExp(`^/whip/${room}/[\\w-]{24}$`));
      expect(etag).toMatch(/^"[\w-]+"$/);
      expect(text).toMatch(/^v=0\r\n/);
      expect(text.match(/^a=recvonly\r$/gm)).toHaveLength(2);
      expect((await send('DELETE', location, undefined, { token: used })).status).toBe(200);
    });

    test('RFC 9725 section 4.3.2: the answer is of an ICE-lite agent with all its candidates', async () => {
      const { text } = await created();
      expect(text).toMatch(/^a=ice-lite\r$/m);
      expect(text).toMatch(/^a=candidate:\S+ 1 udp \d+ \S+ \d+ typ host\r$/m);
      expect(text).toMatch(/^a=candidate:\S+ 1 tcp \d+ \S+ \d+ typ host tcptype passive\r$/m);
      expect(text).toMatch(/^a=end-of-candidates\r$/m);
    });

    test('RFC 9725 section 4.2: another media type is answered 415, and a malformed offer 400', async () => {
      expect((await post(whip(), publishOffer(), { type: 'application/json' })).status).toBe(415);
      expect((await post(whip(), publishOffer(), { type: undefined })).status).toBe(415);
      for (const malformed of [
        '',
        'v=0\r\n',
        'hello',
        publishOffer().replaceAll(/a=mid.*\r\n/g, ''),
        'v=0\r\nm=audio\r\n',
      ])
        expect((await post(whip(), malformed)).status, malformed).toBe(400);
      for (const missing of ['fingerprint', 'ice-ufrag', 'ice-pwd']) {
        const offer = publishOffer().replaceAll(new RegExp(`a=${missing}:.*\r\n`, 'g'), '');
        expect((await post(whip(), offer)).status, missing).toBe(400);
      }
    });

    test('RFC 9457: a refusal is application/problem+json with its status and detail', async () => {
      const { headers, text, status } = await post(whip(), 'hello');
      expect(headers.get('content-type')).toBe('application/problem+json');
      expect(JSON.parse(text)).toMatchObject({
        type: 'about:blank',
        title: 'Bad Request',
        status,
        detail: expect.any(String),
      });
    });

    test('RFC 9725 section 4.2: GET and HEAD have a 2xx response without content, other methods 405 with Allow', async () => {
      for (const method of ['GET', 'HEAD']) expect(await send(method, whip())).toMatchObject({ status: 204, text: '' });
      for (const method of ['PUT', 'PATCH', 'DELETE']) {
        const { status, headers } = await send(method, whip());
        expect({ method, status }).toEqual({ method, status: 405 });
        expect(headers.get('allow')).toBe('GET, HEAD, OPTIONS, POST');
      }
    });

    test('RFC 9725 section 4.2: OPTIONS is answered 200 with Accept-Post and CORS', async () => {
      const { status, headers } = await send('OPTIONS', whip());
      expect(status).toBe(200);
      expect(headers.get('accept-post')).toBe(sdp);
      expect(headers.get('access-control-allow-origin')).toBe('*');
      expect(headers.get('access-control-allow-methods')).toContain('POST');
      expect(headers.get('access-control-allow-headers')).toMatch(/authorization/i);
      for (const exposed of ['Location', 'ETag', 'Link'])
        expect(headers.get('access-control-expose-headers')).toContain(exposed);
    });

    test('RFC 9725 section 4.7.1: a request without a bearer token is answered 401 with WWW-Authenticate, an invalid one too', async () => {
      const without = await send('POST', whip(), publishOffer(), { type: sdp });
      expect(without.status).toBe(401);
      expect(without.headers.get('www-authenticate')).toBe('Bearer');
      const invalid = await post(whip(), publishOffer(), { token: 'no.such.token' });
      expect(invalid.status).toBe(401);
      expect(invalid.headers.get('www-authenticate')).toContain('invalid_token');
      const expired = await post(whip(), publishOffer(), { token: await topology.expiredToken(room) });
      expect(JSON.parse(expired.text)).toMatchObject({ status: 401, code: 'TOKEN_EXPIRED' });
    });

    test('RFC 9725 section 4.7: a token without the grant, or for another room, is answered 403, and a room that does not exist 404', async () => {
      expect((await post(whip(), publishOffer(), { token: await token(['subscribe']) })).status).toBe(403);
      const other = await topology.api.newRoom('other');
      expect((await post(`/whip/${other}`, publishOffer())).status).toBe(403);
      const anyRoom = await topology.tokenOf('anybody');
      expect((await post('/whip/no-such-room', publishOffer(), { token: anyRoom })).status).toBe(404);
    });

    test('a body above 64 KiB is answered 413', async () => {
      expect((await post(whip(), publishOffer() + 'a=x\r\n'.repeat(20_000))).status).toBe(413);
    });
  });

  describe('offers', () => {
    test.each([
      ['4.4.1', 'without all sections in one BUNDLE group', () => publishOffer().replace(/a=group.*\r\n/, '')],
      ['4.4.1', 'without rtcp-mux', () => publishOffer().replaceAll('a=rtcp-mux\r\n', '')],
      [
        '4.4.2',
        'with two tracks of video',
        () =>
          offerOf([
            { kind: 'video', mid: '0', direction: 'sendonly' },
            { kind: 'video', mid: '1', direction: 'sendonly' },
          ]),
      ],
      ['4.4.2', 'with two streams', () => publishOffer().replace('msid:stream video', 'msid:another video')],
      ['4.4.4', 'with setup:passive', () => publishOffer().replaceAll('setup:actpass', 'setup:passive')],
      ['4.4.3', 'with one section that cannot be received', () => publishOffer().replace('VP8/90000', 'H263/90000')],
      ['4.4.3', 'with one section that is not sent', () => publishOffer().replace('a=sendonly', 'a=inactive')],
      [
        '4.4.3',
        'with a data channel',
        () =>
          `${publishOffer()}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n`.replace(
            'BUNDLE 0 1',
            'BUNDLE 0 1 2',
          ),
      ],
    ])('RFC 9725 section %s: one %s is answered 422, and nothing is published', async (_section, _what, offer) => {
      const observer = await joinWithMedia(topology, room);
      expect((await post(whip(), offer())).status).toBe(422);
      expect(observer.raw.events.filter(({ type }) => type === 'publication_added')).toEqual([]);
      observer.raw.close();
    });

    test('RFC 9725 section 4.4.4: setup:active and actpass are answered passive', async () => {
      for (const setup of ['active', 'actpass']) {
        const { status, text } = await created(whip(), publishOffer().replaceAll('setup:actpass', `setup:${setup}`));
        expect({ status, setup: text.match(/a=setup:\w+/g) }).toEqual({
          status: 201,
          setup: ['a=setup:passive', 'a=setup:passive'],
        });
      }
    });

    test('RFC 9725 section 4.8: simulcast by RID is answered with the rids to receive', async () => {
      const rids = [
        'a=rid:h send',
        'a=rid:l send',
        'a=simulcast:send h;l',
        'a=extmap:7 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
      ];
      const offer = offerOf([{ kind: 'video', mid: 'v', direction: 'sendonly', lines: rids }]);
      const { status, text } = await created(whip(), offer.replace(/a=ssrc.*\r\n/, ''));
      expect(status).toBe(201);
      expect(text).toMatch(/^a=simulcast:recv l;h\r$/m);
      expect(text).toMatch(/^a=rid:h recv\r$/m);
    });
  });

  describe('sessions', () => {
    test('RFC 9725 section 4.3.2: trickled candidates with the ETag are answered 204 without ETag', async () => {
      const { location, etag, token: used } = await created();
      const response = await send('PATCH', location, fragment('abcd'), {
        token: used,
        type: fragmentType,
        ifMatch: etag,
      });
      expect(response).toMatchObject({ status: 204, text: '' });
      expect(response.headers.get('etag')).toBeNull();
    });

    test('RFC 9725 section 4.3.1: without If-Match 428, with another ETag 412, another media type 415, malformed 400', async () => {
      const { location, etag, token: used } = await created();
      const patch = async (body: string, sent: Sent) =>
        (await send('PATCH', location, body, { token: used, type: fragmentType, ...sent })).status;
      expect(await patch(fragment('abcd'), {})).toBe(428);
      expect(await patch(fragment('abcd'), { ifMatch: '"other"' })).toBe(412);
      expect(await patch(fragment('abcd'), { ifMatch: etag, type: 'text/plain' })).toBe(415);
      expect(await patch('candidate', { ifMatch: etag })).toBe(400);
    });

    test('RFC 9725 section 4.3.3: a restart with If-Match * is answered 200 with new credentials and a new ETag, and the last ETag ends', async () => {
      const { location, etag, text, token: used } = await created();
      const patch = (ifMatch: string, ufrag: string) =>
        send('PATCH', location, fragment(ufrag), { token: used, type: fragmentType, ifMatch });
      const restarted = await patch('*', 'efgh');
      expect(restarted).toMatchObject({ status: 200 });
      expect(restarted.headers.get('content-type')).toBe(fragmentType);
      const newEtag = restarted.headers.get('etag')!;
      expect(newEtag).not.toBe(etag);
      const ufrag = (of: string): string => /a=ice-ufrag:(\S+)/.exec(of)![1]!;
      expect(ufrag(restarted.text)).not.toBe(ufrag(text));
      expect((await patch(etag, 'efgh')).status).toBe(412);
      expect((await patch(newEtag, 'efgh')).status).toBe(204);
    });

    test('WHEP, ICE restarts: other credentials with the current ETag restart ICE as well', async () => {
      const { location, etag, token: used } = await created();
      const sent = { token: used, type: fragmentType, ifMatch: etag };
      expect((await send('PATCH', location, fragment('wxyz'), sent)).status).toBe(200);
    });

    test('RFC 9725 section 4.2: DELETE ignores If-Match and is answered 200, then the session is 404 and its participant has left', async () => {
      const observer = await joinWithMedia(topology, room);
      const { location, token: used } = await created();
      const { from } = await observer.raw.event('publication_added');
      expect((await send('DELETE', location, undefined, { token: used, ifMatch: '"other"' })).status).toBe(200);
      for (const method of ['DELETE', 'GET'])
        expect((await send(method, location, undefined, { token: used })).status).toBe(404);
      await observer.raw.event('participant_left', ({ payload }) => payload['participantId'] === from);
      observer.raw.close();
    });

    test('RFC 9725 section 4.7: a session takes the token alone that created it', async () => {
      const { location } = await created();
      expect((await send('DELETE', location)).status).toBe(401);
      expect((await send('DELETE', location, undefined, { token: await token() })).status).toBe(403);
    });

    test('RFC 9725 section 4.2: OPTIONS has CORS with PATCH and DELETE, GET 2xx without content, other methods 405', async () => {
      const { location, token: used } = await created();
      const options = await send('OPTIONS', location);
      expect(options.status).toBe(200);
      for (const method of ['PATCH', 'DELETE'])
        expect(options.headers.get('access-control-allow-methods')).toContain(method);
      expect(options.headers.get('accept-patch')).toContain(fragmentType);
      expect(await send('GET', location, undefined, { token: used })).toMatchObject({ status: 204, text: '' });
      expect((await send('POST', location, 'x', { token: used, type: sdp })).status).toBe(405);
    });

    test('RFC 9725 section 4.2: a participant who is removed and banned loses its session, and gets 403', async () => {
      const { location, token: used } = await created();
      const { body } = await topology.api.request('GET', `/v1/rooms/${room}/participants`);
      const { participants } = body as { participants: { id: string; userId: string }[] };
      const { id, userId } = participants.at(-1)!;
      await topology.api.request('DELETE', `/v1/rooms/${room}/participants/${id}`);
      await expect.poll(async () => (await send('GET', location, undefined, { token: used })).status).toBe(404);
      const again = await topology.api.issueToken(room, { userId, grants: ['publish'] });
      const refused = await post(whip(), publishOffer(), { token: again });
      expect(JSON.parse(refused.text)).toMatchObject({ status: 403, code: 'BANNED' });
    });
  });

  describe('players', () => {
    let stage: string;
    let publisher: RawClient;
    beforeAll(async () => {
      const previous = room;
      room = await topology.api.newRoom('stage');
      stage = room;
      const joined = await joinWithMedia(topology, stage);
      publisher = joined.raw;
      room = previous;
    });
    const playerToken = (): Promise<string> => topology.api.issueToken(stage, { grants: ['subscribe'] });
    const play = async (offer: string, query = '') => {
      const used = await playerToken();
      const response = await post(`/whep/${stage}${query}`, offer, { token: used });
      return { ...response, location: response.headers.get('location')!, token: used };
    };

    test('WHEP, playback session setup: without a publication the answer is 409 with Retry-After', async () => {
      const { status, headers } = await play(playOffer());
      expect(status).toBe(409);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    });

    test('WHEP, playback session setup: HEAD is answered 200 with application/sdp, without content', async () => {
      const { status, headers, text } = await send('HEAD', whep());
      expect({ status, type: headers.get('content-type'), text }).toEqual({ status: 200, type: sdp, text: '' });
    });

    describe('with a publication', () => {
      beforeAll(async () => {
        const { payload } = (await publishAudio(publisher, stage)) as { payload: object };
        expect(payload).toHaveProperty('publication');
      });

      test('WHEP, playback session setup: an offer with the payload types of the fleet is answered 201 and sendonly', async () => {
        const { status, text } = await play(playOffer());
        expect(status).toBe(201);
        expect(text).toMatch(/m=audio[^]*a=sendonly\r[^]*m=video[^]*a=inactive\r/);
      });

      test('WHEP, playback session setup: a sendonly offer is answered 422', async () => {
        expect((await play(publishOffer())).status).toBe(422);
      });

      const others = (): string => playOffer().replaceAll('111', '109');

      test('WHEP, counter-offer: other payload types are answered 406 with an offer and Location, and PATCH of the answer 204', async () => {
        const { status, text, headers, location, token: used } = await play(others());
        expect({ status, type: headers.get('content-type') }).toEqual({ status: 406, type: sdp });
        expect(headers.get('etag')).toMatch(/^"[\w-]+"$/);
        expect(text).toMatch(/a=setup:actpass/);
        expect(text).toMatch(/a=rtcp-mux-only/);
        expect(text.match(/^m=/gm)).toHaveLength(1);
        const answer = (body: string) => send('PATCH', location, body, { token: used, type: sdp });
        expect((await answer('v=0\r\n')).status).toBe(400);
        expect((await answer(answerTo(text).replace('recvonly', 'inactive'))).status).toBe(422);
        expect((await answer(answerTo(text))).status).toBe(204);
        expect((await answer(answerTo(text))).status).toBe(409);
      });

      test('WHEP, counter-offer: other ids of the extensions for feedback are answered 406', async () => {
        const sendTime = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
        const offer = (id: number): string =>
          offerOf([{ kind: 'audio', mid: '0', direction: 'recvonly', lines: [`a=extmap:${id} ${sendTime}`] }]);
        expect((await play(offer(3))).status).toBe(406);
        const same = await play(offer(4));
        expect(same.status).toBe(201);
        expect(same.text).toContain(`a=extmap:4 ${sendTime}`);
      });

      test('WHEP, counter-offer: a player that accepts none is answered 201 with the payload types of the fleet', async () => {
        const { status, text } = await play(others(), '?answer=201');
        expect(status).toBe(201);
        expect(text).toMatch(/m=audio 9 UDP\/TLS\/RTP\/SAVPF 111\r/);
      });

      test('WHEP, playback session setup: a participant is chosen by its id or user, and 409 if it publishes nothing', async () => {
        const { from } = await publisher.event('publication_added');
        expect((await play(playOffer(), `?participant=${from}`)).status).toBe(201);
        expect((await play(playOffer(), '?participant=nobody')).status).toBe(409);
      });

      test('WHEP, playback session setup: an offer without the codec of the publication is answered 422', async () => {
        expect((await play(playOffer().replaceAll('opus/48000/2', 'PCMU/8000'))).status).toBe(422);
      });

      test('WHEP, authentication: a token without the grant "subscribe" is answered 403', async () => {
        const publishing = await topology.api.issueToken(stage, { grants: ['publish'] });
        expect((await post(`/whep/${stage}`, playOffer(), { token: publishing })).status).toBe(403);
      });
    });
  });
});
