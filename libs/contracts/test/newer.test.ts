import { describe, expect, test } from 'vitest';
import { requestExamples } from '../src/asyncapi/examples.ts';
import {
  Grant,
  knownOf,
  Migration,
  Negotiation,
  NegotiationEvent,
  NodeState,
  orElse,
  Participant,
  RelayReport,
  RoomEvent,
  RtpCapabilities,
  safeRead,
  signalRequests,
  Topology,
} from '../src/index.ts';

const participant = { id: 'pt_a', userId: 'ada', name: 'Ada', joinedAt: 1, connection: 'connected' };

describe('reading what the next version wrote', () => {
  test('fields that strict objects do not know are dropped, nested ones too, and the value stays as it was', () => {
    const codec = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2, preferredPayloadType: 100 };
    const known = { codecs: [{ ...codec, rtcpFeedback: [{ type: 'nack' }] }], headerExtensions: [] };
    const newer = {
      ...known,
      added: 1,
      codecs: [{ ...codec, added: { deep: true }, rtcpFeedback: [{ type: 'nack', added: [] }] }],
    };
    const before = structuredClone(newer);
    expect(RtpCapabilities.safeParse(newer).success).toBe(false);
    expect(safeRead(RtpCapabilities, newer).data).toEqual(RtpCapabilities.parse(known));
    expect(newer).toEqual(before);
  });

  test('fields of an event of a union are dropped', () => {
    const part = { kind: 'streams', streams: [], added: true };
    expect(NegotiationEvent.safeParse(part).success).toBe(false);
    expect(safeRead(NegotiationEvent, part).data).toEqual({ kind: 'streams', streams: [] });
    const event = { type: 'negotiation', from: 'pt_a', payload: part, added: true };
    expect(safeRead(RoomEvent, event).data).toMatchObject({ payload: { kind: 'streams', streams: [] } });
  });

  test('a value that is wrong otherwise is refused, whatever is added to it', () => {
    for (const wrong of [undefined, null, 7, 'text', [], { codecs: 'none', added: true }])
      expect(safeRead(RtpCapabilities, wrong).success).toBe(false);
    expect(safeRead(RoomEvent, { type: 'added', from: 'system', payload: {} }).success).toBe(false);
  });

  test('an unknown text of an enum is read as its fallback, and any other value is refused', () => {
    const state = orElse(NodeState, 'cordoned');
    expect(['active', 'draining', 'added', '__proto__', ''].map((value) => state.parse(value))).toEqual([
      'active',
      'draining',
      'cordoned',
      'cordoned',
      'cordoned',
    ]);
    for (const wrong of [undefined, null, 1, {}, ['active']]) expect(state.safeParse(wrong).success).toBe(false);
  });

  test('unknown texts of a list are dropped, and any other value is refused', () => {
    const grants = knownOf(Grant);
    expect(grants.parse(['added', 'publish', 'Admin', '__proto__'])).toEqual(['publish']);
    for (const wrong of [undefined, 'publish', ['publish', 1], [['admin']]])
      expect(grants.safeParse(wrong).success).toBe(false);
  });

  test('an unknown grant of a participant is no right, and its event is not skipped', () => {
    const newer = { ...participant, grants: ['subscribe', 'added'] };
    expect(Participant.parse(newer).grants).toEqual(['subscribe']);
    const joined = { type: 'participant_joined', from: 'system', payload: { participant: newer } };
    expect(RoomEvent.parse(joined)).toMatchObject({ payload: { participant: { grants: ['subscribe'] } } });
  });

  test('unknown states, reasons and kinds of vertices do not hide a record', () => {
    const relay = { id: 'rl_a', startedAt: 1, capacity: 1, links: 0, rooms: 0 };
    expect(RelayReport.parse({ ...relay, state: 'added' })).toMatchObject({ state: 'cordoned' });
    const migration = {
      ...{ id: 'mig_a', roomId: 'rm_a', sessionId: 'ss_a', participantId: 'pt_a', fromNode: 'nd_a', toNode: 'nd_b' },
      ...{ step: 'reserved', startedAt: 1, deadline: 2 },
    };
    expect(Migration.parse({ ...migration, reason: 'added' })).toMatchObject({ reason: 'manual' });
    const gateway = { kind: 'gateway', id: 'gw_a', alive: true, sessions: 0 };
    const topology = { at: 1, truncated: false, vertices: [{ kind: 'added', id: 'x' }, gateway, { kind: 'node' }] };
    expect(Topology.safeParse(topology).success).toBe(false);
    topology.vertices.pop();
    expect(Topology.parse(topology).vertices).toEqual([gateway]);
  });

  test('what clients send is parsed strictly', () => {
    for (const [type, { payload }] of Object.entries(signalRequests)) {
      const example = requestExamples[type as keyof typeof requestExamples].payload;
      expect(payload.safeParse(example).success, type).toBe(true);
      expect(payload.safeParse({ ...example, added: true }).success, type).toBe(false);
    }
    expect(Negotiation.safeParse({ kind: 'close', peer: 'pt_a', added: true }).success).toBe(false);
  });
});
