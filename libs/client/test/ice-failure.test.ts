import { describe, expect, test, vi } from 'vitest';
import { iceConnectsWithinMs, peerIceError, sfuIceError } from '../src/media/ice-error.ts';
import { joinedRoom, mediaOn } from './kit/joined-room.ts';

const candidate = (address: string) => mediaOn('node').recv.iceCandidates.map((each) => ({ ...each, address }));

describe('a failed ICE connection to the SFU node', () => {
  test('is reported as ICE_FAILED with the addresses of the node, ICE is restarted, and the error is cleared by a connection', async () => {
    const { state, session, device, record } = await joinedRoom();
    session.answers.set('restart_ice', () => ({ iceParameters: {} }));
    const errors = record('mediaErrorChanged');
    const transport = device.transport('old recv');

    transport.change('failed');
    expect(state.mediaError).toMatchObject({ code: 'ICE_FAILED' });
    expect(state.mediaError?.message).toContain('udp 192.0.2.1:40000');
    await vi.waitFor(() => expect(transport.iceRestarts).toBe(1));

    transport.change('connecting');
    transport.change('failed');
    await vi.waitFor(() => expect(transport.iceRestarts).toBe(2));
    expect(errors).toHaveLength(1);

    transport.change('connected');
    expect(state.mediaError).toBeUndefined();
    expect(errors.at(-1)).toEqual([undefined]);
  });

  test('is followed by a restart of ICE with the TURN servers of the last reply', async () => {
    const { state, session, device } = await joinedRoom();
    session.answers.set('restart_ice', () => ({ iceParameters: {} }));
    const server = (credential: string) => ({ urls: ['turn:turn.example:443'], username: '1:ss_a', credential });
    state.setIceServers({ iceServers: [server('first')] });
    state.setIceServers({ iceServers: [server('renewed')] });
    state.setIceServers({});
    const transport = device.transport('old recv');
    transport.change('failed');
    await vi.waitFor(() => expect(transport.iceRestarts).toBe(1));
    expect(transport.iceServers).toEqual([server('renewed')]);
  });

  test('is followed by a restart of ICE in Firefox, which cannot change its TURN servers', async () => {
    const { session, device } = await joinedRoom();
    session.answers.set('restart_ice', () => ({ iceParameters: {} }));
    const transport = device.transport('old recv');
    transport.setsIceServers = false;
    transport.change('failed');
    await vi.waitFor(() => expect(transport.iceRestarts).toBe(1));
    expect(session.of('open_media')).toHaveLength(0);
  });

  test('is cleared when media is opened on another node', async () => {
    const { state, session, device, media } = await joinedRoom();
    session.answers.set('restart_ice', () => ({ iceParameters: {} }));
    device.transport('old send').change('failed');
    expect(state.mediaError?.code).toBe('ICE_FAILED');
    await media.use(mediaOn('new'));
    expect(state.mediaError).toBeUndefined();
  });

  test('is reported when a transport in use does not connect in time, as Chromium may report no failure', async () => {
    const { state, session, device } = await joinedRoom();
    session.answers.set('restart_ice', () => ({ iceParameters: {} }));
    const transport = device.transport('old recv');
    vi.useFakeTimers();
    try {
      transport.change('connecting');
      await vi.advanceTimersByTimeAsync(iceConnectsWithinMs - 1);
      expect(state.mediaError).toBeUndefined();
      await vi.advanceTimersByTimeAsync(1);
      expect(state.mediaError?.code).toBe('ICE_FAILED');
      expect(transport.iceRestarts).toBe(1);
      await vi.advanceTimersByTimeAsync(iceConnectsWithinMs);
      expect(transport.iceRestarts).toBe(2);
      transport.change('connected');
      await vi.advanceTimersByTimeAsync(iceConnectsWithinMs);
      expect(transport.iceRestarts).toBe(2);
      expect(state.mediaError).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });

  test('stays reported while one of the two transports has no connection', async () => {
    const { state, session, device } = await joinedRoom();
    session.answers.set('restart_ice', () => ({ iceParameters: {} }));
    device.transport('old send').change('failed');
    device.transport('old recv').change('failed');
    device.transport('old send').change('connected');
    expect(state.mediaError?.code).toBe('ICE_FAILED');
  });
});

describe('the message of ICE_FAILED', () => {
  test('names the setting of the node when it announces loopback addresses only', () => {
    expect(sfuIceError('nd_a', candidate('127.0.0.1')).message).toContain('FLOTILLA_SFU_ANNOUNCED_ADDRESS');
    expect(sfuIceError('nd_a', candidate('198.51.100.7')).message).toContain('firewall');
  });

  test('names the missing or the failing ICE servers of a direct call', () => {
    expect(peerIceError().message).toContain('iceServers');
    expect(peerIceError([{ urls: 'turn:turn.example' }]).message).toContain('TURN');
  });
});
