import { setImmediate as turnOfEventLoop, setTimeout as pause } from 'node:timers/promises';
import type { SignalSessionHandlers } from '@flotilla/client/signal';
import {
  type Event,
  FlotillaError,
  type MediaSessionParameters,
  type Publication,
  roomAddress,
  type RoomEventPayload,
  type RoomEventType,
  type RoomSnapshot,
} from '@flotilla/contracts';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { EdgePeer, type EdgePeerHandlers, type Move, type PeerSession } from '../src/edge-peer.ts';
import { ForwardedTrack } from '../src/forwarded-track.ts';
import { PeerTransport } from '../src/transport.ts';

const roomId = 'rm_1';
const participantId = 'pt_1';

const transport = (id: string): MediaSessionParameters['recv'] => ({
  id,
  iceParameters: { usernameFragment: 'user', password: 'password' },
  iceCandidates: [],
  dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: Array.from({ length: 32 }, () => 'AA').join(':') }] },
});
const mediaOn = (nodeId: string): MediaSessionParameters => ({
  nodeId,
  send: transport(`${nodeId}-send`),
  recv: transport(`${nodeId}-recv`),
  subscriptions: [],
});
const pausedSubscription: MediaSessionParameters['subscriptions'][number] = {
  ...{ publicationId: 'pub_2', consumerId: 'consumer', producerId: 'producer', kind: 'audio', type: 'simple' },
  rtpParameters: {
    codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 }],
    encodings: [{ ssrc: 1 }],
  },
  paused: true,
};
const newTrack = (): ForwardedTrack =>
  new ForwardedTrack({
    ...{ kind: 'audio', source: 'microphone', cname: 'camera' },
    codec: { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 },
  });
const waiting = { timeout: 10_000, interval: 5 };
const ended = new FlotillaError('SESSION_EXPIRED', 'the session has ended');

/** The fleet of a peer: a session that answers its requests, and transports that connect at once. */
class Fleet {
  handlers!: SignalSessionHandlers;
  readonly requests: { readonly type: string; readonly payload: Record<string, unknown> }[] = [];
  /** Replies by type of request, instead of the defaults. */
  readonly replies = new Map<string, (payload: Record<string, unknown>) => unknown>();
  media = mediaOn('nd_a');
  /** Called by the last receive transport. */
  onLost: () => void = () => undefined;
  closed = 0;
  readonly open = vi.spyOn(PeerTransport, 'open');

  constructor() {
    this.open.mockImplementation(async ({ direction, onLost }) => {
      if (direction === 'recv') this.onLost = () => onLost?.();
      return { send: () => undefined, close: () => undefined } as unknown as PeerTransport;
    });
  }

  readonly openSession = async (handlers: SignalSessionHandlers): Promise<PeerSession> => {
    this.handlers = handlers;
    const session = {
      welcome: { rtpCapabilities: {} },
      request: async (type: string, payload: Record<string, unknown>) => {
        this.requests.push({ type, payload });
        if (this.closed > 0) throw new FlotillaError('UNAVAILABLE', 'the session has ended');
        return (this.replies.get(type) ?? ((given) => this.#reply(type, given)))(payload);
      },
      setOffset: () => undefined,
      close: () => this.closed++,
    };
    return session as unknown as PeerSession;
  };

  #reply(type: string, payload: Record<string, unknown>): unknown {
    switch (type) {
      case 'join':
        return { participantId, snapshot: { room: { id: roomId }, offset: '1', publications: [] }, media: this.media };
      case 'open_media':
        return this.media;
      case 'publish':
        return { publication: { id: payload['publicationId'] ?? 'pub_1' } };
      default:
        return {};
    }
  }

  join(handlers: EdgePeerHandlers = {}): Promise<EdgePeer> {
    const token = (): Promise<string> => Promise.resolve('token');
    return EdgePeer.join({ url: 'ws://fleet.invalid', token, room: 'room', handlers, openSession: this.openSession });
  }

  emit<T extends RoomEventType>(type: T, payload: RoomEventPayload<T>): void {
    const event: Event = {
      type,
      from: 'system',
      to: roomAddress(roomId),
      routedAt: Date.now(),
      payload: { ...payload },
    };
    this.handlers.onEvent(event);
  }

  migrate(media = mediaOn('nd_b')): void {
    const deadline = Date.now() + 10_000;
    this.emit('migrate', { migrationId: 'mig_1', media, deadline, reason: 'manual' });
  }

  sent(type: string): Record<string, unknown>[] {
    return this.requests.filter((each) => each.type === type).map(({ payload }) => payload);
  }
}

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('joining as an edge peer', () => {
  /** Joins with a handler that uses the peer, which its callers have only after `join` resolved. */
  async function join(fleet: Fleet): Promise<void> {
    const peer: EdgePeer = await fleet.join({ onClosed: () => peer.close() });
  }

  test('is refused with the error of a session that ends while the room is joined', async () => {
    const fleet = new Fleet();
    fleet.replies.set('join', () => {
      fleet.handlers.onEnded(ended);
      throw new FlotillaError('UNAVAILABLE', 'the connection was lost');
    });
    await expect(join(fleet)).rejects.toBe(ended);
    expect(fleet.closed).toBe(1);
  });

  test('is refused with the error of a session that ends while media is opened', async () => {
    const fleet = new Fleet();
    fleet.open.mockImplementation(async () => {
      fleet.handlers.onEnded(ended);
      return { send: () => undefined, close: () => undefined } as unknown as PeerTransport;
    });
    await expect(join(fleet)).rejects.toBe(ended);
  });

  test('is refused with the error of a session that ends while it is opened', async () => {
    const fleet = new Fleet();
    const { openSession } = fleet;
    Object.assign(fleet, {
      openSession: async (handlers: SignalSessionHandlers) => {
        const session = await openSession(handlers);
        handlers.onEnded(ended);
        return session;
      },
    });
    await expect(join(fleet)).rejects.toBe(ended);
    expect(fleet.closed).toBe(1);
  });

  test('is refused when the network path is lost while media is opened', async () => {
    const fleet = new Fleet();
    fleet.media = { ...fleet.media, subscriptions: [pausedSubscription] };
    fleet.replies.set('update_subscriptions', () => {
      fleet.onLost();
      return {};
    });
    await expect(join(fleet)).rejects.toMatchObject({ code: 'ICE_FAILED' });
  });

  test('is followed by onClosed when the session ends right after it', async () => {
    const fleet = new Fleet();
    const { promise: closed, resolve } = Promise.withResolvers<[EdgePeer, FlotillaError]>();
    const joining = fleet.join({ onClosed: (error) => resolve([peer, error]) });
    // Before the caller has the peer.
    void joining.then(() => fleet.handlers.onEnded(ended));
    const peer = await joining;
    expect(await closed).toEqual([peer, ended]);
  });
});

describe('an edge peer whose participant left the room', () => {
  test.each([
    ['disconnected', 'SESSION_EXPIRED'],
    ['failed', 'MEDIA_NOT_OPEN'],
    ['removed', 'NOT_IN_ROOM'],
    ['revoked', 'NOT_IN_ROOM'],
  ] as const)('ends for the reason %s with %s', async (reason, code) => {
    const fleet = new Fleet();
    const closed = Promise.withResolvers<FlotillaError>();
    await fleet.join({ onClosed: closed.resolve });
    fleet.emit('participant_left', { participantId, reason, publicationIds: [] });
    expect(await closed.promise).toMatchObject({ code });
  });
});

describe('the subscriptions of an edge peer', () => {
  const publicationOf = (id: string): Record<string, unknown> => ({
    ...{ id, participantId: 'pt_2', kind: 'audio', source: 'microphone', codec: 'audio/opus', muted: false },
    producerId: 'producer',
  });
  const roomWith = (...ids: string[]): unknown => ({
    participantId,
    snapshot: { room: { id: roomId }, offset: '1', publications: ids.map(publicationOf) },
    media: { ...mediaOn('nd_a'), subscriptions: [{ ...pausedSubscription, paused: false }] },
  });

  test('are passed on with each session and each migration, and publications that ended between sessions', async () => {
    const fleet = new Fleet();
    const [subscribed, endings]: [string[], string[]] = [[], []];
    const moved = Promise.withResolvers<Move>();
    fleet.replies.set('join', () => roomWith('pub_2', 'pub_3'));
    fleet.replies.set('subscribe', () => ({ subscriptions: [], failed: [] }));
    const peer = await fleet.join({
      onSubscribed: ({ publicationId, consumerId }) => subscribed.push(`${publicationId} ${consumerId}`),
      onPublicationEnded: (publicationId) => endings.push(publicationId),
      onMoved: moved.resolve,
    });
    expect(subscribed).toEqual(['pub_2 consumer']);
    fleet.migrate({
      ...mediaOn('nd_b'),
      subscriptions: [{ ...pausedSubscription, consumerId: 'another', paused: false }],
    });
    await moved.promise;
    expect(subscribed).toEqual(['pub_2 consumer', 'pub_2 another']);
    fleet.replies.set('join', () => roomWith('pub_2'));
    await fleet.handlers.onRestarted();
    expect(endings).toEqual(['pub_3']);
    expect(subscribed).toEqual(['pub_2 consumer', 'pub_2 another', 'pub_2 consumer']);
    peer.close();
  });

  const subscribed = { subscriptions: [{ ...pausedSubscription, paused: true }], failed: [] };
  const added = (fleet: Fleet): void =>
    fleet.emit('publication_added', { publication: publicationOf('pub_2') as unknown as Publication });
  const refused = (code: string) => () => ({
    subscriptions: [],
    failed: [{ publicationId: 'pub_2', error: { code, message: 'refused' } }],
  });
  /** Longer than the first attempts. */
  const firstAttemptsMs = 5000;

  test('that fail are requested again every 10 s, and are listed meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const fleet = new Fleet();
    const peer = await fleet.join();
    fleet.replies.set('subscribe', refused('NODE_UNAVAILABLE'));
    added(fleet);
    await vi.advanceTimersByTimeAsync(firstAttemptsMs);
    const first = fleet.sent('subscribe').length;
    expect([...peer.failedSubscriptions.values()]).toMatchObject([{ code: 'NODE_UNAVAILABLE', message: 'refused' }]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(fleet.sent('subscribe')).toHaveLength(first + 2);
    fleet.replies.set('subscribe', () => subscribed);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(fleet.sent('subscribe')).toHaveLength(first + 3);
    expect(peer.failedSubscriptions.size).toBe(0);
    peer.close();
  });

  test('that no attempt can receive are not requested again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const fleet = new Fleet();
    const peer = await fleet.join();
    fleet.replies.set('subscribe', refused('MEDIA_UNSUPPORTED'));
    added(fleet);
    await vi.advanceTimersByTimeAsync(firstAttemptsMs + 20_000);
    expect(fleet.sent('subscribe')).toHaveLength(1);
    expect([...peer.failedSubscriptions.keys()]).toEqual(['pub_2']);
    peer.close();
  });

  test('whose resumption failed are requested again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const fleet = new Fleet();
    const peer = await fleet.join();
    fleet.replies.set('subscribe', () => subscribed);
    fleet.replies.set('update_subscriptions', () => Promise.reject(new FlotillaError('UNAVAILABLE')));
    added(fleet);
    await vi.advanceTimersByTimeAsync(firstAttemptsMs);
    expect([...peer.failedSubscriptions.keys()]).toEqual(['pub_2']);
    fleet.replies.delete('update_subscriptions');
    const { length } = fleet.sent('update_subscriptions');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(fleet.sent('update_subscriptions')).toHaveLength(length + 1);
    expect(peer.failedSubscriptions.size).toBe(0);
    peer.close();
  });

  test('that failed are requested again when the session is resumed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const fleet = new Fleet();
    const peer = await fleet.join();
    fleet.replies.set('subscribe', refused('NODE_UNAVAILABLE'));
    added(fleet);
    await vi.advanceTimersByTimeAsync(firstAttemptsMs);
    fleet.replies.set('subscribe', () => subscribed);
    fleet.handlers.onResumed([{ roomId, participantId, resumed: true }]);
    await vi.advanceTimersByTimeAsync(1);
    expect(peer.failedSubscriptions.size).toBe(0);
    peer.close();
  });

  test('of a large room end after lost events only when no page of its publications has them', async () => {
    const fleet = new Fleet();
    const endings: string[] = [];
    fleet.replies.set('subscribe', () => ({ subscriptions: [], failed: [] }));
    fleet.replies.set('join', () => roomWith('pub_2', 'pub_3', 'pub_4'));
    const peer = await fleet.join({ onPublicationEnded: (publicationId) => endings.push(publicationId) });
    const pages = Promise.withResolvers<unknown>();
    fleet.replies.set('list_participants', ({ cursor }) =>
      cursor === '1' ? { publications: [publicationOf('pub_3')], next: '2' } : pages.promise,
    );
    const { snapshot } = roomWith('pub_2') as { snapshot: RoomSnapshot };
    fleet.handlers.onResumed([{ roomId, participantId, resumed: false, snapshot: { ...snapshot, next: '1' } }]);
    await vi.waitFor(() => expect(fleet.sent('list_participants')).toHaveLength(2), waiting);
    expect(endings).toEqual([]);
    pages.resolve({ publications: [publicationOf('pub_5')] });
    await vi.waitFor(() => expect(endings).toEqual(['pub_4']), waiting);
    expect([...peer.publications.keys()]).toEqual(['pub_2', 'pub_3', 'pub_5']);
    peer.close();
  });

  test('that ended between two attempts at a new session have ended, and own publications continue', async () => {
    const fleet = new Fleet();
    const endings: string[] = [];
    fleet.replies.set('subscribe', () => ({ subscriptions: [], failed: [] }));
    fleet.replies.set('join', () => roomWith('pub_2', 'pub_3'));
    const peer = await fleet.join({ onPublicationEnded: (publicationId) => endings.push(publicationId) });
    await peer.publish(newTrack());
    fleet.replies.set('join', () => ({ ...(roomWith('pub_2') as object), media: mediaOn('nd_a') }));
    fleet.open.mockRejectedValueOnce(new FlotillaError('ICE_FAILED'));
    await expect(fleet.handlers.onRestarted()).rejects.toMatchObject({ code: 'ICE_FAILED' });
    await fleet.handlers.onRestarted();
    expect(endings).toEqual(['pub_3']);
    expect(fleet.sent('publish')).toHaveLength(2);
    peer.close();
  });
});

describe('a migration of an edge peer', () => {
  async function joined(): Promise<{ fleet: Fleet; peer: EdgePeer; moved: Promise<Move> }> {
    const fleet = new Fleet();
    const { promise: moved, resolve } = Promise.withResolvers<Move>();
    return { fleet, peer: await fleet.join({ onMoved: resolve }), moved };
  }

  test('takes over a track whose publication was requested before it', async () => {
    const { fleet, peer, moved } = await joined();
    const reply = Promise.withResolvers<unknown>();
    fleet.replies.set('publish', ({ publicationId }) =>
      publicationId === undefined ? reply.promise : { publication: { id: publicationId } },
    );
    const published = peer.publish(newTrack());
    await vi.waitFor(() => expect(fleet.sent('publish')).toHaveLength(1), waiting);
    fleet.migrate();
    // Without publications in flight, the migration would be over by then.
    await turnOfEventLoop();
    reply.resolve({ publication: { id: 'pub_1' } });
    expect(await published).toBe('pub_1');
    expect(await moved).toMatchObject({ toNode: 'nd_b', steps: { commit: expect.any(Number) } });
    expect(fleet.sent('publish')[1]).toMatchObject({ publicationId: 'pub_1', migrationId: 'mig_1' });
    peer.close();
  });

  test('delays a publication that is requested during it', async () => {
    const { fleet, peer, moved } = await joined();
    const commit = Promise.withResolvers<unknown>();
    fleet.replies.set('migrated', () => commit.promise);
    fleet.migrate();
    const published = peer.publish(newTrack());
    await vi.waitFor(() => expect(fleet.sent('migrated')).toHaveLength(1), waiting);
    expect(fleet.sent('publish')).toEqual([]);
    commit.resolve({});
    await moved;
    expect(await published).toBe('pub_1');
    expect(fleet.sent('publish')[0]).not.toHaveProperty('migrationId');
    peer.close();
  });

  test.each(['nd_a', 'nd_b'])(
    'subscribes again at its end to what %s closed during it, if the peer is there',
    async (node) => {
      const { fleet, peer, moved } = await joined();
      fleet.replies.set('subscribe', () => ({
        subscriptions: [{ ...pausedSubscription, paused: false }],
        failed: [],
      }));
      const publication: RoomEventPayload<'publication_added'>['publication'] = {
        id: 'pub_2',
        participantId: 'pt_2',
        kind: 'audio',
        source: 'microphone',
        codec: 'audio/opus',
        muted: false,
        producerId: 'producer',
      };
      fleet.emit('publication_added', { publication });
      await vi.waitFor(() => expect(fleet.sent('subscribe')).toHaveLength(1), waiting);
      const commit = Promise.withResolvers<unknown>();
      fleet.replies.set('migrated', () => commit.promise);
      const subscriptions = [{ ...pausedSubscription, paused: false }];
      fleet.migrate({ ...mediaOn('nd_b'), subscriptions });
      await vi.waitFor(() => expect(fleet.sent('migrated')).toHaveLength(1), waiting);
      fleet.emit('subscriptions_ended', { nodeId: node, publicationIds: [publication.id] });
      if (node === 'nd_b') commit.resolve({});
      else commit.reject(new FlotillaError('MIGRATION_NOT_ACTIVE'));
      await moved;
      await vi.waitFor(() => expect(fleet.sent('subscribe')).toHaveLength(2), waiting);
      expect(peer.nodeId).toBe(node);
      peer.close();
    },
  );

  test('that fails leaves media that was opened again meanwhile', async () => {
    const { fleet, peer, moved } = await joined();
    const commit = Promise.withResolvers<unknown>();
    fleet.replies.set('migrated', () => commit.promise);
    fleet.migrate();
    await vi.waitFor(() => expect(fleet.sent('migrated')).toHaveLength(1), waiting);
    fleet.media = mediaOn('nd_c');
    fleet.emit('media_lost', { participantIds: [participantId], reason: 'node_lost' });
    await vi.waitFor(() => expect(peer.nodeId).toBe('nd_c'), waiting);
    commit.reject(new FlotillaError('MIGRATION_NOT_ACTIVE'));
    expect(await moved).toMatchObject({ error: expect.stringContaining('rolled back') });
    expect(peer.nodeId).toBe('nd_c');
    peer.close();
  });

  test.each([
    { lost: 'nd_a', end: 'nd_b', reopened: 0 },
    { lost: 'nd_b', end: 'nd_c', reopened: 1 },
  ])(
    'that changes to nd_b is followed by opened media when $lost was lost: $reopened',
    async ({ lost, end, reopened }) => {
      const { fleet, peer, moved } = await joined();
      const commit = Promise.withResolvers<unknown>();
      fleet.replies.set('migrated', () => commit.promise);
      fleet.migrate();
      await vi.waitFor(() => expect(fleet.sent('migrated')).toHaveLength(1), waiting);
      fleet.media = mediaOn('nd_c');
      fleet.emit('media_lost', { participantIds: [participantId], reason: 'worker_died', nodeId: lost });
      commit.resolve({});
      await moved;
      await vi.waitFor(() => expect(peer.nodeId).toBe(end), waiting);
      await turnOfEventLoop();
      expect(fleet.sent('open_media')).toHaveLength(reopened);
      peer.close();
    },
  );

  test('that is rolled back ends the streams of the new node', async () => {
    const fleet = new Fleet();
    const ended: number[] = [];
    const { promise: moved, resolve } = Promise.withResolvers<Move>();
    const peer = await fleet.join({ onMoved: resolve, onStreamEnded: (_id, ssrc) => ended.push(ssrc) });
    fleet.replies.set('migrated', () => Promise.reject(new FlotillaError('MIGRATION_NOT_ACTIVE')));
    fleet.migrate({ ...mediaOn('nd_b'), subscriptions: [{ ...pausedSubscription, paused: false }] });
    expect(await moved).toMatchObject({ error: expect.any(String) });
    expect(ended).toEqual([1]);
    peer.close();
  });

  test('ends with the peer: the media on both nodes is closed', async () => {
    const fleet = new Fleet();
    const closed: string[] = [];
    fleet.open.mockImplementation(async ({ parameters: { id } }) => {
      return { send: () => undefined, close: () => closed.push(id) } as unknown as PeerTransport;
    });
    const peer = await fleet.join();
    fleet.replies.set('migrated', () => Promise.withResolvers().promise);
    fleet.migrate();
    await vi.waitFor(() => expect(fleet.sent('migrated')).toHaveLength(1), waiting);
    expect(closed).toEqual([]);
    peer.close();
    expect(closed.sort()).toEqual(['nd_a-recv', 'nd_b-recv']);
  });

  test('is not committed again after the peer was closed', async () => {
    const { fleet, peer } = await joined();
    fleet.replies.set('migrated', () => Promise.reject(new FlotillaError('UNAVAILABLE')));
    fleet.migrate();
    await vi.waitFor(() => expect(fleet.sent('migrated')).toHaveLength(1), waiting);
    peer.close();
    const requests = fleet.requests.length;
    // More than the pause between two commits.
    await pause(400);
    expect(fleet.requests).toHaveLength(requests);
  });
});

describe('media that an edge peer opens again', () => {
  test('is that of a lost node at once, though a migration away from it hangs', async () => {
    const fleet = new Fleet();
    const peer = await fleet.join({});
    await peer.publish(newTrack());
    fleet.replies.set('publish', ({ migrationId }) =>
      migrationId === undefined ? { publication: { id: 'pub_1' } } : new Promise(() => undefined),
    );
    fleet.migrate();
    await vi.waitFor(() => expect(fleet.sent('publish')).toHaveLength(2), waiting);
    fleet.media = mediaOn('nd_c');
    fleet.emit('media_lost', { participantIds: [participantId], reason: 'worker_died', nodeId: 'nd_a' });
    await vi.waitFor(() => expect(peer.nodeId).toBe('nd_c'), waiting);
    // A further migration is left to the server while one hangs.
    fleet.migrate(mediaOn('nd_d'));
    await turnOfEventLoop();
    expect(peer.nodeId).toBe('nd_c');
    peer.close();
  });

  test('takes over a track whose publication was in flight, and is awaited by the next one', async () => {
    const fleet = new Fleet();
    const peer = await fleet.join({});
    const [answer, opened] = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()];
    fleet.replies.set('publish', ({ publicationId }) =>
      publicationId === undefined ? answer.promise : { publication: { id: publicationId } },
    );
    const first = peer.publish(newTrack());
    await vi.waitFor(() => expect(fleet.sent('publish')).toHaveLength(1), waiting);
    fleet.replies.set('open_media', () => opened.promise);
    fleet.emit('media_lost', { participantIds: [participantId], reason: 'worker_died', nodeId: 'nd_a' });
    await vi.waitFor(() => expect(fleet.sent('open_media')).toHaveLength(1), waiting);
    const next = peer.publish(newTrack());
    opened.resolve(mediaOn('nd_c'));
    await turnOfEventLoop();
    expect(fleet.sent('publish')).toHaveLength(1);
    answer.resolve({ publication: { id: 'pub_1' } });
    expect(await first).toBe('pub_1');
    await vi.waitFor(() => expect(fleet.sent('publish')[1]).toMatchObject({ publicationId: 'pub_1' }), waiting);
    expect(await next).toBe('pub_1');
    expect(peer.nodeId).toBe('nd_c');
    peer.close();
  });

  test('is given up after some attempts, and is not opened for ever', async () => {
    const fleet = new Fleet();
    const { promise: failed, resolve } = Promise.withResolvers<FlotillaError>();
    const peer = await fleet.join({ onMediaFailed: resolve });
    fleet.replies.set('open_media', () => Promise.reject(new FlotillaError('NO_CAPACITY')));
    fleet.emit('media_lost', { participantIds: [participantId], reason: 'worker_died', nodeId: 'nd_a' });
    expect(await failed).toMatchObject({ code: 'NO_CAPACITY' });
    const { length } = fleet.sent('open_media');
    await turnOfEventLoop();
    expect(fleet.sent('open_media')).toHaveLength(length);
    peer.close();
  });
});
