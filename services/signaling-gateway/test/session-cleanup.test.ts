import { describe, expect, test, vi } from 'vitest';
import { Lifecycle } from '../src/sessions/lifecycle.ts';
import { SessionCleanup } from '../src/sessions/session-cleanup.ts';
import { SessionTable } from '../src/sessions/session-table.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

/** A lifecycle over a store that has the session `ss_a` in the room `rm_a`. */
function parts() {
  const record = { gatewayId: 'gw_own', rooms: ['rm_a'] };
  const store = {
    get: vi.fn(async () => record),
    close: vi.fn(async () => undefined),
    detach: vi.fn(async () => undefined),
  };
  const table = new SessionTable();
  const leaveRooms = vi.fn(async () => undefined);
  const cleanup = new SessionCleanup(table, store as never, leaveRooms, 'gw_own', 30_000, log);
  const lifecycle = new Lifecycle(table, cleanup, () => undefined, 10_000, log);
  const connect = () => {
    const recording = recordingSession('ss_a', () => undefined);
    lifecycle.connected(recording.session);
    return recording;
  };
  return { record, store, table, leaveRooms, cleanup, lifecycle, connect };
}

describe('clean-up of a session that ends', () => {
  test('it leaves its rooms after the requests in flight are done', async () => {
    const { store, leaveRooms, cleanup, lifecycle, connect } = parts();
    const { session } = connect();
    const gate = Promise.withResolvers<void>();
    const request = session.requests.run(undefined, () => gate.promise);
    lifecycle.handle(session, 'closed_by_client');
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.get).not.toHaveBeenCalled();
    gate.resolve();
    await request;
    await cleanup.flush();
    expect(leaveRooms).toHaveBeenCalledWith(session, ['rm_a']);
    expect(store.close).toHaveBeenCalledWith('ss_a');
  });

  test('it stays when another gateway has resumed it', async () => {
    const { record, store, leaveRooms, cleanup, lifecycle, connect } = parts();
    const { session } = connect();
    record.gatewayId = 'gw_other';
    lifecycle.handle(session, 'flood');
    await cleanup.flush();
    expect(leaveRooms).not.toHaveBeenCalled();
    expect(store.close).not.toHaveBeenCalled();
  });

  test('it stays when another connection to this gateway has resumed it', async () => {
    const { store, cleanup, lifecycle, connect } = parts();
    const { session } = connect();
    const gate = Promise.withResolvers<void>();
    const request = session.requests.run(undefined, () => gate.promise);
    lifecycle.handle(session, 'token_expired');
    connect();
    gate.resolve();
    await request;
    await cleanup.flush();
    expect(store.close).not.toHaveBeenCalled();
  });
});

describe('a replaced connection', () => {
  test('it is closed when its successor connects to the same gateway', () => {
    const { table, store, lifecycle, connect } = parts();
    const [first, second] = [connect(), connect()];
    expect(first.session.state).toBe('closed');
    expect(first.closings).toHaveLength(1);
    expect([...table]).toEqual([second.session]);
    lifecycle.handle(first.session, 'disconnected');
    expect(store.detach).not.toHaveBeenCalled();
  });

  test('a notice about it that arrives late leaves its successor open', () => {
    const { lifecycle, connect } = parts();
    const { session } = connect();
    lifecycle.replaced('ss_a', 'hash of an earlier connection');
    expect(session.state).toBe('handshaking');
    lifecycle.replaced('ss_a', session.resumeHash);
    expect(session.state).toBe('closed');
  });
});
