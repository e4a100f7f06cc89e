import { setTimeout as delay } from 'node:timers/promises';
import {
  FlotillaError,
  Grant,
  type GrantRule,
  requestExamples,
  requestGrants,
  type RequestType,
  signalRequests,
  type TokenClaims,
} from '@flotilla/contracts';
import { TokenBucket } from '@flotilla/runtime';
import { notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, test, vi } from 'vitest';
import { type BoundHandlers, RequestDispatcher, type RequestLimits } from '../src/inbound/request-dispatcher.ts';
import { Overload } from '../src/limits/overload.ts';
import type { Received, RequestHandler } from '../src/requests/request-handler.ts';
import { requestHandlers, type RequestServices } from '../src/requests/request-handlers.ts';
import { TokenRequests } from '../src/requests/token-requests.ts';
import type { RoomChanges } from '../src/rooms/room-changes.ts';
import type { Resumption } from '../src/sessions/session.ts';
import { log } from './gateway-harness.ts';
import { recordingSession } from './recording-session.ts';

interface Reply {
  readonly replyTo: string;
  readonly ok: boolean;
  readonly error?: { readonly code: string };
}

/** A session with a dispatcher over the table of handlers. `services` are those that the test needs. */
function dispatching(
  services: object,
  grants: Grant[] = ['publish', 'subscribe', 'data'],
  limits_: Partial<RequestLimits> = {},
  resumption?: Resumption,
) {
  const replies: Reply[] = [];
  const recording = recordingSession('ss_a', (text) => replies.push(JSON.parse(text) as Reply), grants, {
    resumption,
  });
  const unlimited = {
    iceServers: { of: () => ({}) },
    changes: { run: (...[, , change]: Parameters<RoomChanges['run']>) => change() },
  };
  const table = requestHandlers({ ...unlimited, ...services } as unknown as RequestServices);
  const handlers: BoundHandlers = {
    table,
    callbacks: new Map(
      Object.entries(table).map(([type, handler]) => [type, (handler as RequestHandler<RequestType>).handle]),
    ),
  };
  const limits = {
    messagesPerSecond: 1000,
    messageBurst: 1000,
    messageBytes: 16_384,
    overload: new Overload(500),
    onFlood: () => undefined,
    onRequest: () => undefined,
    ...limits_,
  };
  const dispatcher = new RequestDispatcher(recording.session, handlers, limits, log);
  let lastId = 0;
  const receive = (text: string): void => dispatcher.receive(Buffer.from(text));
  const send = (type: RequestType, payload: object, to?: string): void =>
    receive(JSON.stringify({ id: String(++lastId), type, to, payload }));
  const answered = (count: number) =>
    waitFor(`${count} replies`, () => replies.length >= count || notYet(`${replies.length} came`), { everyMs: 1 });
  const handled = () =>
    waitFor('no request is left', () => recording.session.requests.size === 0 || notYet('there are some'), {
      everyMs: 1,
    });
  return { ...recording, replies, send, receive, answered, handled };
}

const publicationId = 'pub_0123456789abcdef';
const mute = (muted: boolean) => ({ publicationId, muted });

/** Copies of a JSON value, in each of which one string or key ends with half of a surrogate pair. */
function* withHalfPairs(value: unknown): Generator {
  if (typeof value === 'string') yield `${value}\ud83d`;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (!Array.isArray(value)) yield { ...value, [`${key}\udc00`]: child };
    for (const changed of withHalfPairs(child))
      yield Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed };
  }
}

describe('request dispatcher', () => {
  test.each(Object.entries(requestExamples))(
    'half of a surrogate pair in any text of a request %s is refused with BAD_MESSAGE',
    (type, { to, payload }: { to?: string; payload: object }) => {
      const { receive, replies } = dispatching({});
      const requests = [...withHalfPairs({ id: '1', type, ...(to !== undefined && { to }), payload })];
      for (const request of requests) receive(JSON.stringify(request));
      expect(replies).toHaveLength(requests.length);
      expect(new Set(replies.map(({ error }) => error?.code))).toEqual(new Set(['BAD_MESSAGE']));
    },
  );

  test('requests are refused with RATE_LIMITED when their costs are above the limit, whatever their number is', async () => {
    const handled: string[] = [];
    const rooms = { leave: ({ roomId }: { roomId: string }) => handled.push(roomId) && {} };
    const limits = { messagesPerSecond: 1, messageBurst: 20 };
    const { send, answered, replies } = dispatching({ rooms }, undefined, limits);
    for (let index = 0; index < 6; index++) send('leave', {}, 'room:rm_a');
    await answered(6);
    // 5 each of 20; a refusal costs one, so that a request of one still fits in front of the last.
    expect(handled.length).toBe(4);
    expect(replies.filter(({ error }) => error?.code === 'RATE_LIMITED')).toHaveLength(2);
  });

  test('a request that costs more than the burst is handled with a full bucket', async () => {
    const toSfu = vi.fn(async () => ({ subscriptions: [], failed: [] }));
    const limits = { messagesPerSecond: 1, messageBurst: 2 };
    const { send, answered, replies } = dispatching({ nodes: { toSfu } }, undefined, limits);
    send('subscribe', { publicationIds: Array.from({ length: 64 }, (_, index) => `pub_${index}`) }, 'room:rm_a');
    await answered(1);
    expect(replies).toMatchObject([{ ok: true }]);
  });

  test('a large frame is paid before it is read: one that a session or its address cannot pay is not parsed', () => {
    const unread = `{"id":"large","type":${' '.repeat(65_000)}`;
    const { receive, replies, session } = dispatching({}, undefined, { messagesPerSecond: 1, messageBurst: 150 });
    for (let sent = 0; sent < 3; sent++) receive(unread);
    session.messagesOfAddress = new TokenBucket(1, 20);
    receive('{"id":"small"}');
    receive(`{"id":"medium","x":"${'x'.repeat(20 * 1024)}"}`);
    expect(replies.map(({ replyTo, error }) => [replyTo, error?.code])).toEqual([
      ['large', 'BAD_MESSAGE'],
      ['large', 'BAD_MESSAGE'],
      ['large', 'RATE_LIMITED'],
      ['small', 'BAD_MESSAGE'],
      ['medium', 'RATE_LIMITED'],
    ]);
  });

  test('requests that an address cannot pay take nothing of its rate, nor of that of their session', async () => {
    const join = async () => ({});
    const ofAddress = new TokenBucket(0.001, 300);
    const limits = { messagesPerSecond: 0.001, messageBurst: 45 };
    const clients = Array.from({ length: 20 }, () => dispatching({ rooms: { join } }, undefined, limits));
    // Costs 12, of which its frame is 3.
    const request = `{"id":"1","type":"join","payload":{"room":"rm_a"}}${' '.repeat(3000)}`;
    for (const { session } of clients) session.messagesOfAddress = ofAddress;
    for (let attempt = 0; attempt < 10; attempt++) for (const { receive } of clients) receive(request);
    await Promise.all(clients.map(({ answered }) => answered(10)));
    expect(clients.flatMap(({ replies }) => replies).filter(({ ok }) => ok)).toHaveLength(24);
    expect(ofAddress.has(undefined, 300 - 24 * 12)).toBe(true);
    // A session that was refused has what it did not spend on the one that was accepted.
    const last = clients.at(-1)!;
    last.session.messagesOfAddress = undefined;
    for (let sent = 0; sent < 2; sent++) last.receive(request);
    await last.answered(12);
    expect(last.replies.filter(({ ok }) => ok)).toHaveLength(3);
  });

  test('a request that its address cannot pay once it is read gives the address back what its frame cost', async () => {
    const rooms = Array.from({ length: 16 }, (_, index) => `rm_${index}`);
    const { session, send, answered, replies } = dispatching({}, undefined, {}, { rooms, usedHash: '' });
    session.messagesOfAddress = new TokenBucket(0.001, 90);
    session.messagesOfAddress.take(undefined, 10);
    for (let attempt = 0; attempt < 50; attempt++) send('resume', { offsets: {} });
    await answered(50);
    expect(new Set(replies.map(({ error }) => error?.code))).toEqual(new Set(['RATE_LIMITED']));
    expect(session.messagesOfAddress.has(undefined, 80)).toBe(true);
  });

  test('a client that keeps sending after refusals is reported, whichever limit refuses it', async () => {
    const limited = async (): Promise<never> => {
      throw new FlotillaError('RATE_LIMITED');
    };
    const limit = { messagesPerSecond: 0.001, messageBurst: 1 };
    const wide = { messagesPerSecond: 0.001, messageBurst: 10_000 };
    const cases: [limits: Partial<RequestLimits>, ofAddress: TokenBucket | undefined][] = [
      [limit, undefined],
      [wide, new TokenBucket(0.001, 1)],
      [wide, undefined],
    ];
    for (const [limits, ofAddress] of cases) {
      const onFlood = vi.fn();
      const { session, send, replies, handled } = dispatching({ messages: { send: limited } }, undefined, {
        ...limits,
        onFlood,
      });
      session.messagesOfAddress = ofAddress;
      for (let sent = 0; sent < 500; sent++) {
        send('message', { data: 1 }, 'room:rm_a');
        await handled();
      }
      // Those that the limit accepts, the handler refuses.
      expect(new Set(replies.map(({ error }) => error?.code))).toEqual(new Set(['RATE_LIMITED']));
      expect(replies).toHaveLength(500);
      send('message', { data: 1 }, 'room:rm_a');
      await handled();
      expect(onFlood).toHaveBeenCalled();
    }
  });

  test('a refused frame that is larger than a message may be counts as several refusals', () => {
    const onFlood = vi.fn();
    const limits = { messagesPerSecond: 0.001, messageBurst: 1, onFlood };
    const { receive } = dispatching({}, undefined, limits);
    receive('{}');
    for (let sent = 0; sent < 125; sent++) receive(' '.repeat(65_536));
    expect(onFlood).not.toHaveBeenCalled();
    receive('{}');
    expect(onFlood).toHaveBeenCalledOnce();
  });

  test('the id of a large frame that is refused is read only where it comes first', () => {
    const { receive, replies } = dispatching({}, undefined, { messagesPerSecond: 0.001, messageBurst: 1 });
    receive('{}');
    const data = 'x'.repeat(2000);
    receive(JSON.stringify({ type: 'ping', id: 'small' }));
    receive(JSON.stringify({ id: 'large', data }));
    receive(JSON.stringify({ data, id: 'last' }));
    receive(`{"id":"escaped\\n","data":"${data}"}`);
    expect(replies.slice(1).map(({ replyTo }) => replyTo)).toEqual(['small', 'large', null, null]);
  });

  test('a message above the limit of bytes is refused, and a list that names a publication twice', async () => {
    const { send, answered, replies } = dispatching({});
    send('message', { data: 'x'.repeat(16_384) }, 'room:rm_a');
    send('subscribe', { publicationIds: ['pub_a', 'pub_a'] }, 'room:rm_a');
    await answered(2);
    expect(replies.map(({ error }) => error?.code)).toEqual(['MESSAGE_TOO_BIG', 'BAD_PAYLOAD']);
  });

  test('a whole surrogate pair, as text or as escapes, is accepted, and so is a backslash before other text', async () => {
    const received: unknown[] = [];
    const send = async ({ payload }: Received<'message'>) => {
      received.push(payload.data);
      return { seq: '1-0' };
    };
    const { receive, answered } = dispatching({ messages: { send } });
    for (const data of ['"😀"', '"\\ud83d\\ude00"', '"\\\\ud83d"'])
      receive(`{"id":"1","type":"message","to":"room:rm_a","payload":{"data":${data}}}`);
    await answered(3);
    expect(received).toEqual(['😀', '😀', '\\ud83d']);
  });

  test('parallel mutes of a publication take effect in the order in which they were sent', async () => {
    const applied: boolean[] = [];
    const toSfu = async (_command: string, { payload }: Received<'mute'>) => {
      await delay(Math.random() * 3);
      applied.push(payload.muted);
      return {};
    };
    const { send, answered } = dispatching({ nodes: { toSfu } });
    const sent = Array.from({ length: 30 }, (_, index) => index % 2 === 0);
    for (const muted of sent) send('mute', mute(muted), 'room:rm_a');
    await answered(sent.length);
    expect(applied).toEqual(sent);
  });

  test('after parallel token refreshes the session has the claims that the store has', async () => {
    const stored: number[] = [];
    const sessions = {
      refresh: async (_id: string, _hash: string, _token: object, { expiresAt }: { expiresAt: number }) => {
        await delay(Math.random() * 3);
        stored.push(expiresAt);
      },
    };
    const verifyRefresh = async (token: string): Promise<TokenClaims> => {
      await delay(Math.random() * 3);
      return { jti: token, exp: Number(token), grants: [], bridge: [] } as unknown as TokenClaims;
    };
    const tokens = new TokenRequests({ verifyRefresh } as never, sessions as never);
    const { session, send, answered } = dispatching({ tokens });
    for (let exp = 1; exp <= 30; exp++) send('refresh_token', { token: String(exp) });
    await answered(30);
    expect(stored).toEqual(Array.from({ length: 30 }, (_, index) => (index + 1) * 1000));
    expect(session.identity.expiresAt).toBe(stored.at(-1));
  });

  test('parallel resumes are handled one after another', async () => {
    let running = 0;
    let maxRunning = 0;
    const resume = async () => {
      maxRunning = Math.max(maxRunning, ++running);
      await delay(1);
      running--;
      return { rooms: [], missed: [] };
    };
    const { send, answered } = dispatching({ rooms: { resume } });
    for (let count = 0; count < 30; count++) send('resume', { offsets: {} });
    await answered(30);
    expect(maxRunning).toBe(1);
  });

  test('a leave that follows a join is handled after the join', async () => {
    const handled: string[] = [];
    const rooms = {
      join: async () => {
        await delay(5);
        handled.push('join');
        return {};
      },
      leave: async () => void handled.push('leave'),
    };
    const { send, answered } = dispatching({ rooms });
    send('join', { room: 'rm_a' });
    send('leave', {}, 'room:rm_a');
    await answered(2);
    expect(handled).toEqual(['join', 'leave']);
  });

  test('a request that waits for its turn is not handled when the connection closes meanwhile', async () => {
    const gate = Promise.withResolvers<void>();
    const toSfu = vi.fn(async () => (await gate.promise, {}));
    const { websocket, send, handled } = dispatching({ nodes: { toSfu } });
    send('mute', mute(true), 'room:rm_a');
    send('mute', mute(false), 'room:rm_a');
    websocket.readyState = 2;
    gate.resolve();
    await handled();
    expect(toSfu).toHaveBeenCalledTimes(1);
  });

  test('a request that arrives between the close frame and its answer is not handled', async () => {
    const join = vi.fn();
    const { session, send, handled } = dispatching({ rooms: { join } });
    session.close('TOKEN_EXPIRED', 'test');
    send('join', { room: 'rm_a' });
    await handled();
    expect(join).not.toHaveBeenCalled();
  });

  test('of 100 parallel requests the 64 that fit are handled and the others are refused with RATE_LIMITED', async () => {
    const gate = Promise.withResolvers<void>();
    const toSfu = vi.fn(async () => (await gate.promise, {}));
    const { replies, send, answered } = dispatching({ nodes: { toSfu } });
    for (let count = 0; count < 100; count++) send('mute', mute(true), 'room:rm_a');
    expect(replies.map(({ error }) => error?.code)).toEqual(Array.from({ length: 36 }, () => 'RATE_LIMITED'));
    gate.resolve();
    await answered(100);
    expect(replies.filter(({ ok }) => ok)).toHaveLength(64);
    expect(toSfu).toHaveBeenCalledTimes(64);
  });
});

describe('grants of requests', () => {
  const everyGrant = Grant.options;

  /** The code that a request with its example is refused with, `handled` when its handler runs. */
  const outcomeOf = async (type: RequestType, to: string | undefined, grants: Grant[]): Promise<string> => {
    const { receive, replies, answered } = dispatching({}, grants);
    const { payload } = requestExamples[type];
    receive(JSON.stringify({ id: '1', type, ...(to !== undefined && { to }), payload }));
    await answered(1);
    // Without services, the handler itself fails.
    return replies[0]?.error?.code === 'FORBIDDEN' ? 'FORBIDDEN' : 'handled';
  };
  const addressOf = (type: RequestType): string | undefined => (requestExamples[type] as { to?: string }).to;

  test('every request of the protocol has a rule, and no rule is left over', () => {
    expect(Object.keys(requestGrants).toSorted()).toEqual(Object.keys(signalRequests).toSorted());
  });

  test.each(Object.entries(requestGrants) as [RequestType, GrantRule][])(
    'a request %s is handled with the grants of its rule and refused without one of them',
    async (type, rule) => {
      const to = addressOf(type);
      if (rule === 'none') return expect(await outcomeOf(type, to, [])).toBe('handled');
      const needed = 'toOthers' in rule ? [rule.toOthers] : 'anyOf' in rule ? rule.anyOf : rule.allOf;
      expect(await outcomeOf(type, to, [])).toBe('FORBIDDEN');
      expect(
        await outcomeOf(
          type,
          to,
          everyGrant.filter((grant) => !needed.includes(grant)),
        ),
      ).toBe('FORBIDDEN');
      expect(await outcomeOf(type, to, [...needed])).toBe('handled');
      for (const grant of needed)
        expect(await outcomeOf(type, to, [grant])).toBe(
          'anyOf' in rule || needed.length === 1 ? 'handled' : 'FORBIDDEN',
        );
    },
  );

  test('a message to every session needs the grant broadcast, one to a user or a room the grant data', async () => {
    expect(await outcomeOf('message', '*', ['data'])).toBe('FORBIDDEN');
    expect(await outcomeOf('message', '*', ['broadcast'])).toBe('handled');
    for (const to of ['user:ada', 'room:rm_a']) expect(await outcomeOf('message', to, ['broadcast'])).toBe('FORBIDDEN');
  });

  test('a request without the grant is refused with FORBIDDEN and not handled', async () => {
    const toSfu = vi.fn();
    const { replies, send, answered } = dispatching({ nodes: { toSfu } }, ['subscribe']);
    send('mute', mute(true), 'room:rm_a');
    await answered(1);
    expect(replies).toMatchObject([{ ok: false, error: { code: 'FORBIDDEN' } }]);
    expect(toSfu).not.toHaveBeenCalled();
  });
});
