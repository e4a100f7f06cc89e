import { describe, expect, test } from 'vitest';
import { roomEventHandler } from '../src/room/event-handlers.ts';
import { RoomMetadata } from '../src/metadata/room-metadata.ts';
import { joinedRoom, participant } from './kit/joined-room.ts';

describe('RemoteParticipant.connection', () => {
  test('follows participant_connection events, with a room event for each change', async () => {
    const { state, media, other, record } = await joinedRoom();
    const changes = record('participantConnectionChanged');
    const onEvent = roomEventHandler(state, media, new RoomMetadata(state, media.sfu.links));
    for (const connection of ['reconnecting', 'reconnecting', 'connected'])
      onEvent({
        type: 'participant_connection',
        from: 'system',
        to: `room:${state.info!.id}`,
        routedAt: 0,
        payload: { participantId: other.id, connection },
      });
    expect(changes).toHaveLength(2);
    expect(state.participants.get(other.id)?.connection).toBe('connected');
  });

  test('is taken from a snapshot, also of a participant that is known', async () => {
    const { state, me, other } = await joinedRoom();
    const room = state.info!;
    const participants = [me, { ...other, connection: 'reconnecting' as const }];
    state.applySnapshot({ room, mediaMode: 'sfu', participants, publications: [], offset: '1-0' }, () => false);
    expect(state.participants.get(other.id)?.connection).toBe('reconnecting');
  });
});

describe('speakers', () => {
  test('leave out participants that are reconnecting, and include them again when they are connected', async () => {
    const { state, me, other, record } = await joinedRoom();
    const changes = record('speakersChanged');
    state.setSpeakers('old', new Map([[other.id, -30]]));
    state.setSpeakers('new', new Map([[me.id, -20]]));
    state.setParticipantConnection(other.id, 'reconnecting');
    expect(state.participants.get(other.id)?.isSpeaking).toBe(false);
    state.setParticipantConnection(other.id, 'connected');
    expect(state.participants.get(other.id)?.audioLevel).toBe(-30);
    expect(changes.map(([ids]) => [...ids])).toEqual([[other.id], [other.id, me.id], [me.id], [other.id, me.id]]);
  });

  test('leave out participants that left, also when their node reports no more levels', async () => {
    const { state, other, record } = await joinedRoom();
    const changes = record('speakersChanged');
    state.setSpeakers('old', new Map([[other.id, -30]]));
    state.removeParticipant(other.id);
    expect(changes.map(([ids]) => ids.size)).toEqual([1, 0]);
  });

  test('are replaced per node', async () => {
    const { state, other, record } = await joinedRoom();
    const changes = record('speakersChanged');
    state.setSpeakers('old', new Map([[other.id, -30]]));
    state.setSpeakers('old', new Map());
    expect(changes.map(([ids]) => ids.size)).toEqual([1, 0]);
  });
});

describe('RoomState.close', () => {
  test('closes the session and the media, and emits closed once', async () => {
    const { state, session, media, record } = await joinedRoom();
    const closed = record('closed');
    state.close(undefined);
    state.close(undefined);
    expect(closed).toEqual([[undefined]]);
    expect(session.closed).toBe(true);
    expect(media.sfu.links.current).toBeUndefined();
  });

  test('drops events that arrive afterwards', async () => {
    const { state, media, record } = await joinedRoom();
    const joined = record('participantJoined');
    const onEvent = roomEventHandler(state, media, new RoomMetadata(state, media.sfu.links));
    state.close(undefined);
    const to = `room:${state.info!.id}` as const;
    const payload = { participant: participant('late') };
    onEvent({ type: 'participant_joined', from: 'system', to, routedAt: 0, payload });
    expect(joined).toEqual([]);
  });
});
