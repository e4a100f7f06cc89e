import { closeCodes } from '@flotilla/contracts';
import { describe, expect, test, vi } from 'vitest';
import { Lifecycle } from '../src/sessions/lifecycle.ts';
import { SessionCleanup } from '../src/sessions/session-cleanup.ts';
import type { Resumption } from '../src/sessions/session.ts';
import { SessionTable } from '../src/sessions/session-table.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

function parts() {
  const store = { close: vi.fn(async () => undefined), detach: vi.fn(async () => undefined) };
  const table = new SessionTable();
  const cleanup = new SessionCleanup(store as never, 30_000, log);
  const lifecycle = new Lifecycle(table, cleanup, () => undefined, 10_000, log);
  /** Opens a connection of the session `ss_a`. */
  const connect = (resumeHash: string, resumption?: Resumption) => {
    const recording = recordingSession('ss_a', () => undefined, [], { resumeHash, resumption });
    lifecycle.connected(recording.session);
    return recording;
  };
  return { store, table, cleanup, lifecycle, connect };
}

describe('lifecycle of sessions', () => {
  test('a session that ends is closed in the store for its own connection only', async () => {
    const { store, cleanup, lifecycle, connect } = parts();
    const { session } = connect('hash 1');
    lifecycle.handle(session, 'flood');
    await cleanup.flush();
    expect(store.close).toHaveBeenCalledWith('ss_a', 'left', 'hash 1');
  });

  test('a connection is closed without a detach when its successor connects to the same gateway', async () => {
    const { table, store, cleanup, lifecycle, connect } = parts();
    const [first, second] = [connect('hash 1'), connect('hash 2')];
    expect(first.session.state).toBe('closed');
    expect(first.closings).toHaveLength(1);
    expect([...table]).toEqual([second.session]);
    lifecycle.handle(first.session, 'disconnected');
    await cleanup.flush();
    expect(store.detach).not.toHaveBeenCalled();
  });

  test('a notice about a replaced connection that arrives late leaves its successor open', () => {
    const { lifecycle, connect } = parts();
    const { session } = connect('hash 2');
    lifecycle.replaced('ss_a', 'hash 1');
    expect(session.state).toBe('handshaking');
    lifecycle.replaced('ss_a', 'hash 2');
    expect(session.state).toBe('closed');
  });

  test('of two connections that resume a session the earlier one may resume again unless it was confirmed', () => {
    const { connect } = parts();
    const resumption = { rooms: [], usedHash: 'hash 1' };
    const [overtaken, confirmed] = [connect('hash 2', resumption), connect('hash 3', resumption)];
    expect(overtaken.closings).toEqual([closeCodes.SERVICE_RESTART]);
    confirmed.session.resumeConfirmed = true;
    connect('hash 4', resumption);
    expect(confirmed.closings).toEqual([closeCodes.SESSION_REPLACED]);
  });

  test('a pending detach is dropped when the session resumes', async () => {
    const { store, cleanup, lifecycle, connect } = parts();
    lifecycle.handle(connect('hash 1').session, 'disconnected');
    connect('hash 2');
    await cleanup.flush();
    expect(store.detach).not.toHaveBeenCalled();
  });
});
