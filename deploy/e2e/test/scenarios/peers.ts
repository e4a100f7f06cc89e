import { isPolite, maxSdpLength, newId } from '@flotilla/contracts';
import type { Event, Reply } from '@flotilla/contracts';
import { expect } from 'vitest';
import { gatewayUrl, notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';

/** Scenarios of peer-to-peer negotiation through the gateways, with plain WebSockets. */
export interface PeerScenario {
  readonly title: string;
  readonly run: (topology: Topology) => Promise<void>;
}

export const newPeerRoom = (topology: Topology): Promise<string> => topology.api.newRoom('peers', { peerToPeer: true });

/** A plain client in a room, on one of the gateways. */
class Negotiator {
  private constructor(
    private readonly topology: Topology,
    readonly room: string,
    public client: RawClient,
    readonly id: string,
    readonly joined: { snapshot: { room: { id: string }; mediaMode: string; offset: string }; media?: unknown },
  ) {}

  static async join(topology: Topology, room: string, gateway: number, parameters = {}): Promise<Negotiator> {
    const token = await topology.api.issueToken(room, parameters);
    const client = await RawClient.connect(gatewayUrl(topology, gateway), { token });
    const { payload } = await client.event('welcome');
    const reply = await client.request('join', { room, rtpCapabilities: payload['rtpCapabilities'] });
    if (!reply.ok) throw new Error(`not joined: ${JSON.stringify(reply)}`);
    const joined = reply.payload as Negotiator['joined'] & { participantId: string };
    return new Negotiator(topology, room, client, joined.participantId, joined);
  }

  ask(type: string, payload: unknown = {}): Promise<Reply> {
    return this.client.request(type, payload, `room:${this.room}`);
  }

  say(peer: { id: string }, part: object): Promise<Reply> {
    return this.ask('negotiate', { peer: peer.id, ...part });
  }

  /** The received negotiation events. */
  get received(): Event[] {
    return this.client.events.filter(({ type }) => type === 'negotiation');
  }

  /** Waits until exactly these kinds have been received. */
  async receives(...kinds: string[]): Promise<void> {
    await waitFor(`${kinds.join(', ')} at ${this.id}`, () => {
      const received = this.received.map(({ payload }) => payload['kind']);
      if (JSON.stringify(received) !== JSON.stringify(kinds)) notYet(`it has received ${received.join(', ')}`);
    });
  }

  /** Loses its socket and resumes on another gateway. Returns the reply to `resume`. */
  async moveTo(gateway: number, whileAway: () => Promise<void>): Promise<Reply> {
    const { resumeToken } = (await this.client.event('welcome')).payload as { resumeToken: string };
    const before = this.client.events;
    this.client.socket.terminate();
    await whileAway();
    this.client = await RawClient.resume(gatewayUrl(this.topology, gateway), resumeToken);
    await this.client.event('welcome');
    const { room, offset } = this.joined.snapshot;
    const offsets: Record<string, string> = { [`room:${room.id}`]: offset };
    for (const { seq, to } of before) if (seq !== undefined) offsets[to] = seq;
    return this.client.request('resume', { offsets });
  }
}

/** Two in a room, on two gateways where there are two; the polite one first. */
async function two(topology: Topology): Promise<[polite: Negotiator, impolite: Negotiator]> {
  const room = await newPeerRoom(topology);
  const one = await Negotiator.join(topology, room, 0);
  const other = await Negotiator.join(topology, room, 1);
  return isPolite(one.id, other.id) ? [one, other] : [other, one];
}

let version = 0;
const sdp = (ufrag: string): string =>
  `v=0\r\no=- 1 ${++version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:${ufrag}\r\n`;
const description = (kind: 'offer' | 'pranswer' | 'answer', ufrag: string) => ({ kind, sdp: sdp(ufrag) });
const microphone = () => ({
  mid: '0',
  publicationId: newId('publication'),
  kind: 'audio',
  source: 'microphone',
  muted: false,
});
const candidate = (usernameFragment: string) => ({
  kind: 'candidate',
  candidate: { candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0, usernameFragment },
});
const state = (expected: string) => ({ ok: true, payload: { state: expected } });
const refused = (code: string, message: string) => ({
  ok: false,
  error: { code, message: expect.stringContaining(message) as string },
});
const closeAll = (...all: Negotiator[]): void => all.forEach(({ client }) => client.close());

export const peerScenarios: readonly PeerScenario[] = [
  {
    title:
      'two negotiate across gateways: offer, pranswer, answer, candidates, mute, rollback, end; each in order, with its state',
    run: async (topology) => {
      const [a, b] = await two(topology);
      expect([a, b].map(({ joined }) => [joined.snapshot.mediaMode, joined.media])).toEqual([
        ['peer', undefined],
        ['peer', undefined],
      ]);
      const stream = microphone();
      expect(await a.say(b, { ...description('offer', 'gena1'), streams: [stream] })).toMatchObject(
        state('have-local-offer'),
      );
      expect(await a.say(b, candidate('gena1'))).toMatchObject(state('have-local-offer'));
      await b.receives('offer', 'candidate');
      expect(b.received[0]).toMatchObject({ from: a.id, payload: { streams: [stream] } });
      expect(await b.say(a, description('pranswer', 'genb1'))).toMatchObject(state('have-local-pranswer'));
      expect(await b.say(a, candidate('genb1'))).toMatchObject(state('have-local-pranswer'));
      expect(await b.say(a, description('answer', 'genb1'))).toMatchObject(state('stable'));
      expect(await b.say(a, { kind: 'end_of_candidates', usernameFragment: 'genb1' })).toMatchObject(state('stable'));
      expect(await a.say(b, { kind: 'streams', streams: [{ ...stream, muted: true }] })).toMatchObject(state('stable'));
      await a.receives('pranswer', 'candidate', 'answer', 'end_of_candidates');
      expect(await b.say(a, description('offer', 'genb2'))).toMatchObject(state('have-local-offer'));
      expect(await b.say(a, { kind: 'rollback' })).toMatchObject(state('stable'));
      expect(await b.say(a, { kind: 'close' })).toMatchObject(state('closed'));
      await a.receives('pranswer', 'candidate', 'answer', 'end_of_candidates', 'offer', 'rollback', 'close');
      await b.receives('offer', 'candidate', 'streams');
      expect(await a.say(b, description('offer', 'gena3'))).toMatchObject(state('have-local-offer'));
      closeAll(a, b);
    },
  },
  {
    title: 'parts sent without waiting for replies are applied in order',
    run: async (topology) => {
      const [a, b] = await two(topology);
      const many = Array.from({ length: 20 }, () => candidate('gena1'));
      const replies = await Promise.all([description('offer', 'gena1'), ...many].map((part) => a.say(b, part)));
      expect(replies.filter(({ ok }) => !ok)).toEqual([]);
      await b.receives('offer', ...many.map(() => 'candidate'));
      closeAll(a, b);
    },
  },
  {
    title: 'a part that is invalid in the current state is refused with the state, and changes nothing',
    run: async (topology) => {
      const [a, b] = await two(topology);
      expect(await a.say(b, description('answer', 'gena1'))).toMatchObject(refused('WRONG_STATE', '"stable"'));
      expect(await a.say(b, candidate('gena1'))).toMatchObject(refused('WRONG_STATE', '"stable"'));
      await a.say(b, description('offer', 'gena1'));
      expect(await a.say(b, description('answer', 'gena1'))).toMatchObject(
        refused('WRONG_STATE', '"have-local-offer"'),
      );
      expect(await b.say(a, { kind: 'rollback' })).toMatchObject(refused('WRONG_STATE', '"have-remote-offer"'));
      const tooBig = { kind: 'answer', sdp: sdp('genb1').padEnd(maxSdpLength + 1, ' ') };
      expect(await b.say(a, tooBig)).toMatchObject(refused('SDP_TOO_BIG', '"have-remote-offer"'));
      expect(await b.say(a, { ...tooBig, sdp: tooBig.sdp.slice(0, maxSdpLength) })).toMatchObject(state('stable'));
      await a.receives('answer');
      await b.receives('offer');
      closeAll(a, b);
    },
  },
  {
    title: 'after an ICE restart a candidate of the previous generation is refused',
    run: async (topology) => {
      const [a, b] = await two(topology);
      await a.say(b, description('offer', 'gena1'));
      await b.say(a, description('answer', 'genb1'));
      await a.say(b, description('offer', 'gena2'));
      expect(await a.say(b, candidate('gena1'))).toMatchObject(state('have-local-offer'));
      await b.say(a, description('answer', 'genb2'));
      expect(await a.say(b, candidate('gena1'))).toMatchObject(refused('WRONG_STATE', 'generation "gena1"'));
      expect(await b.say(a, candidate('genb1'))).toMatchObject(refused('WRONG_STATE', '"stable"'));
      expect(await a.say(b, candidate('gena2'))).toMatchObject(state('stable'));
      closeAll(a, b);
    },
  },
  {
    title: 'of two simultaneous offers the one of the impolite side wins, in any order, 50 times',
    run: async (topology) => {
      const [polite, impolite] = await two(topology);
      let [refusals, replacements] = [0, 0];
      for (let round = 1; round <= 50; round++) {
        const [politeBefore, impoliteBefore] = [polite.received.length, impolite.received.length];
        const [offered, offeredToo] = await Promise.all([
          polite.say(impolite, description('offer', `p${round}`)),
          impolite.say(polite, description('offer', `i${round}`)),
        ]);
        expect(offeredToo).toMatchObject(state('have-local-offer'));
        if (offered.ok) replacements++;
        else {
          refusals++;
          expect(offered).toMatchObject(refused('GLARE', '"have-remote-offer"'));
        }
        await waitFor('the offer that counts', () => polite.received[politeBefore] ?? notYet('it is not there'));
        expect(await polite.say(impolite, description('answer', `q${round}`))).toMatchObject(state('stable'));
        const kinds = offered.ok ? ['offer', 'answer'] : ['answer'];
        await waitFor(
          'the answer',
          () => impolite.received[impoliteBefore + kinds.length - 1] ?? notYet('it is not there'),
        );
        expect(impolite.received.slice(impoliteBefore).map(({ payload }) => payload['kind'])).toEqual(kinds);
      }
      expect(refusals + replacements).toBe(50);
      closeAll(polite, impolite);
    },
  },
  {
    title:
      'a participant that resumes on another gateway gets the missed parts and continues; repeated parts apply once',
    run: async (topology) => {
      const [a, b] = await two(topology);
      const offer = description('offer', 'gena1');
      await a.say(b, offer);
      const answer = description('answer', 'genb1');
      const reply = await a.moveTo(1, async () => {
        expect(await b.say(a, answer)).toMatchObject(state('stable'));
        expect(await b.say(a, candidate('genb1'))).toMatchObject(state('stable'));
      });
      expect(reply).toMatchObject({ ok: true, payload: { rooms: [{ resumed: true }] } });
      await a.receives('answer', 'candidate');
      expect(await a.say(b, offer)).toMatchObject(state('stable'));
      expect(await b.say(a, answer)).toMatchObject(state('stable'));
      expect(await a.say(b, candidate('gena1'))).toMatchObject(state('stable'));
      await b.receives('offer', 'candidate');
      await a.receives('answer', 'candidate');
      closeAll(a, b);
    },
  },
  {
    title:
      'a part is delivered to its addressee only, in a peer-to-peer room, and needs the grants publish and subscribe',
    run: async (topology) => {
      const [a, b] = await two(topology);
      expect(await a.say({ id: 'pt_nobody' }, description('offer', 'a'))).toMatchObject(
        refused('PARTICIPANT_NOT_FOUND', ''),
      );
      expect(await a.say(a, description('offer', 'a'))).toMatchObject(refused('PARTICIPANT_NOT_FOUND', ''));
      closeAll(a, b);

      const room = await newPeerRoom(topology);
      const other = await Negotiator.join(topology, room, 1);
      expect(other.joined).toMatchObject({ snapshot: { mediaMode: 'peer' } });
      const listener = await Negotiator.join(topology, room, 0, { grants: ['subscribe'] });
      expect(listener.joined).toMatchObject({ snapshot: { mediaMode: 'sfu' } });
      expect(await other.client.event('media_mode')).toMatchObject({ payload: { mediaMode: 'sfu' } });
      expect(await listener.say(other, description('offer', 'a'))).toMatchObject(refused('FORBIDDEN', 'publish'));
      closeAll(listener, other);

      const through = `${room}-sfu`;
      await topology.api.createRoom({ name: through });
      const [c, d] = [await Negotiator.join(topology, through, 0), await Negotiator.join(topology, through, 1)];
      expect(await c.say(d, description('offer', 'c'))).toMatchObject(refused('WRONG_STATE', 'through the SFU'));
      closeAll(c, d);
    },
  },
  {
    title:
      'a third participant switches the room to the SFU: all are notified and keep their ids and publications, and only their own',
    run: async (topology) => {
      const [a, b] = await two(topology);
      await a.say(b, description('offer', 'gena1'));
      const third = await Negotiator.join(topology, a.room, 0);
      expect(third.joined).toMatchObject({ snapshot: { mediaMode: 'sfu', participants: [{}, {}, {}] }, media: {} });
      for (const each of [a, b]) {
        expect(await each.client.event('media_mode')).toMatchObject({ payload: { mediaMode: 'sfu' } });
        expect(each.client.events.map(({ type }) => type)).not.toContain('participant_left');
      }
      expect(await b.say(a, description('answer', 'genb1'))).toMatchObject(refused('WRONG_STATE', 'through the SFU'));

      const publicationId = newId('publication');
      const publish = async (each: Negotiator, ssrc: number): Promise<Reply> => {
        const { rtpCapabilities } = (await each.client.event('welcome')).payload;
        expect(await each.ask('open_media', { rtpCapabilities })).toMatchObject({ ok: true });
        return each.ask('publish', {
          kind: 'audio',
          source: 'microphone',
          publicationId,
          rtpParameters: {
            mid: '0',
            codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 }],
            encodings: [{ ssrc }],
            rtcp: { cname: String(ssrc) },
          },
        });
      };
      expect(await publish(a, 1111)).toMatchObject({
        payload: { publication: { id: publicationId, participantId: a.id } },
      });
      expect(await publish(b, 2222)).toMatchObject(refused('PUBLICATION_NOT_FOUND', ''));
      expect(await third.client.event('publication_added')).toMatchObject({
        payload: { publication: { id: publicationId, participantId: a.id } },
      });
      expect(third.client.events.map(({ type }) => type)).not.toContain('publication_updated');
      closeAll(a, b, third);
    },
  },
];
