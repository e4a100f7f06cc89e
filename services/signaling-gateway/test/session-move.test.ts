import { memoryBackplane } from '@flotilla/backplane';
import { SignalSession } from '@flotilla/client/signal';
import { FlotillaError } from '@flotilla/contracts';
import { notYet, TcpProxy, waitFor } from '@flotilla/testkit';
import type { Store } from '@flotilla/store';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { log, newToken, type RunningGateway, startGateway } from './gateway-harness.ts';

const drainSeconds = 2;

/** Two gateways of one fleet behind a load balancer, and the SDK's session over it. */
describe('a session of the SDK', () => {
  let store: Store;
  let first: RunningGateway;
  let second: RunningGateway;
  let balancer: TcpProxy;
  let session: SignalSession;
  let happened: string[];
  let firstIsStopping: Promise<void> | undefined;
  /** What the application does when a new session was opened for it. */
  let whileRestarting: () => Promise<void>;

  beforeEach(async () => {
    const backplane = memoryBackplane(log);
    ({ store } = backplane);
    const settings = { FLOTILLA_DRAIN_SECONDS: String(drainSeconds) };
    first = await startGateway({ backplane, settings });
    second = await startGateway({ backplane, settings: { FLOTILLA_DRAIN_SECONDS: '0' } });
    balancer = await TcpProxy.to(first.port);
    happened = [];
    firstIsStopping = undefined;
    whileRestarting = async () => undefined;
    session = await openSession();
  });
  afterEach(async () => {
    session.close();
    await Promise.all([firstIsStopping ?? first.stop(), second.stop()]);
    await balancer.close();
  });

  const openSession = (): Promise<SignalSession> =>
    SignalSession.open(`http://127.0.0.1:${balancer.port}`, () => newToken(), {
      onEvent: () => undefined,
      onDisconnected: () => happened.push('disconnected'),
      onResumed: () => happened.push('resumed'),
      onRestarted: async () => {
        happened.push('restarted');
        await whileRestarting();
      },
      onRefreshed: () => undefined,
      onEnded: () => happened.push('ended'),
    });

  const until = (what: string): Promise<void> =>
    waitFor(`the session is ${what}`, () => {
      if (!happened.includes(what)) notYet(happened.join(', ') || 'nothing happened');
    });

  /** The store does what it is asked next, and its answer gets lost. */
  function loseAnswer(method: 'resume' | 'open'): void {
    const { sessions } = store;
    const call = sessions[method].bind(sessions) as (...values: unknown[]) => Promise<unknown>;
    vi.spyOn(sessions, method).mockImplementationOnce(async (...values: unknown[]) => {
      await call(...values);
      throw new FlotillaError('UNAVAILABLE', 'Redis is unavailable');
    });
  }

  /** Stops the first gateway. Resolves when it has refused the session's first attempt to move. */
  async function stopFirst(): Promise<void> {
    let attempts = 0;
    first.server.on('upgrade', () => attempts++);
    firstIsStopping = first.stop();
    await waitFor('the stopping gateway refused an attempt', () => {
      if (attempts === 0) notYet('none was made');
    });
  }

  test('moves although the load balancer routed it to the stopping gateway first', async () => {
    const { sessionId } = session.welcome;
    await stopFirst();
    balancer.redirectTo(second.port);
    await until('resumed');
    expect(happened).toEqual(['resumed']);
    expect(session.welcome.sessionId).toBe(sessionId);
    await session.request('ping', {});
  });

  test('reconnects when the gateway stopped before the load balancer routed to another one', async () => {
    const { sessionId } = session.welcome;
    await stopFirst();
    await firstIsStopping;
    await until('disconnected');
    balancer.redirectTo(second.port);
    await until('resumed');
    expect(happened).toEqual(['disconnected', 'resumed']);
    expect(session.welcome.sessionId).toBe(sessionId);
    await session.request('ping', {});
  });

  test('opens although the load balancer routed the first two attempts to a machine that is down', async () => {
    balancer.leaveUnanswered(2);
    const another = await openSession();
    await another.request('ping', {});
    another.close();
    expect(another.welcome.sessionId).not.toBe(session.welcome.sessionId);
  });

  test('resumes although the load balancer routed the first two attempts to a machine that is down', async () => {
    const { sessionId } = session.welcome;
    balancer.redirectTo(second.port);
    balancer.cut();
    balancer.leaveUnanswered(2);
    balancer.restore();
    await until('resumed');
    expect(happened).toEqual(['disconnected', 'resumed']);
    expect(session.welcome.sessionId).toBe(sessionId);
  });

  test('resumes over another connection when its gateway no longer answers and the connection stays open', async () => {
    const { sessionId } = session.welcome;
    balancer.freeze();
    balancer.redirectTo(second.port);
    await expect(session.request('ping', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(happened).toEqual(['resumed']);
    expect(session.welcome.sessionId).toBe(sessionId);
    await session.request('ping', {});
  });

  test('stays the same when the answer to its resume is lost', async () => {
    const { sessionId } = session.welcome;
    loseAnswer('resume');
    balancer.cut();
    balancer.restore();
    await until('resumed');
    expect(happened).toEqual(['disconnected', 'resumed']);
    expect(session.welcome.sessionId).toBe(sessionId);
    await session.request('ping', {});
  });

  test('is opened with a new token when the answer to its opening was lost', async () => {
    const { sessionId } = session.welcome;
    await store.sessions.close(sessionId, 'removed');
    loseAnswer('open');
    balancer.cut();
    balancer.restore();
    await until('restarted');
    expect(happened).toEqual(['disconnected', 'restarted']);
    await session.request('ping', {});
  });

  test('is resumed when its connection is lost while the application restores its rooms in a new session', async () => {
    const stranger = await startGateway({ settings: { FLOTILLA_DRAIN_SECONDS: '0' } });
    whileRestarting = async () => {
      balancer.cut();
      await expect(session.request('ping', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      balancer.restore();
    };
    // It does not know the session: a new one is opened.
    balancer.redirectTo(stranger.port);
    balancer.cut();
    balancer.restore();
    await until('resumed');
    expect(happened).toEqual(['disconnected', 'restarted', 'disconnected', 'resumed']);
    await session.request('ping', {});
    session.close();
    await stranger.stop();
  });
});
