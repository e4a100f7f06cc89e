import type { CommandBus, CommandContext, CommandHandlers, Serving } from '@flotilla/bus';
import { FlotillaError, maxRequestsInFlight, type SfuCommandType, sfuQueue } from '@flotilla/contracts';
import type { MediaNode } from '@flotilla/media';
import { FairQueue } from '@flotilla/runtime';
import type { Drain } from '../drain.ts';
import type { Heartbeat } from '../heartbeat.ts';
import type { OwnState } from '../node-state.ts';
import type { PipeAddresses } from '../pipe-addresses.ts';
import type { Drills } from '../drills.ts';

/** Commands of sessions that are carried out at a time. */
const concurrency = 64;
/** Commands of one session that are carried out at a time. */
const concurrencyPerSession = 4;
/** Unacknowledged commands. Above `concurrency`: what sessions have too many of waits here, not in front of others in the broker. */
const prefetch = 64 * maxRequestsInFlight;

/** The parts of a node that commands use. */
export interface SfuNodeParts {
  readonly media: MediaNode;
  readonly state: OwnState;
  readonly heartbeat: Heartbeat;
  readonly drain: Drain;
  readonly drills: Drills;
  readonly addresses: PipeAddresses;
}

/**
 * Serves the node's command queue. Commands of sessions are carried out in fair turns, so that a session that sends many does not delay the
 * others. Those of services are carried out at once: sessions on another node wait for the pipes, while sessions here may wait for
 * pipes from that node.
 */
export function serveSfuCommands(
  bus: CommandBus,
  { media: node, state, drain, drills, addresses }: SfuNodeParts,
): Promise<Serving> {
  const handlers: CommandHandlers<SfuCommandType> = {
    'sfu.open_session': ({ roomId, ...request }) => node.openSession(roomId, request),
    'sfu.ping': async () => ({}),
    'sfu.connect_transport': async ({ roomId, sessionId, transportId, dtlsParameters }) => {
      await (await node.room(roomId)).media(sessionId).connect(transportId, dtlsParameters);
      return {};
    },
    'sfu.restart_ice': async ({ roomId, sessionId, transportId }) => ({
      iceParameters: await (await node.room(roomId)).media(sessionId).restartIce(transportId),
    }),
    'sfu.publish': async ({ roomId, sessionId, ...request }) => ({
      publication: await (await node.room(roomId)).publications.publish(sessionId, request),
    }),
    'sfu.unpublish': async ({ roomId, sessionId, publicationId }) => {
      await (await node.room(roomId)).publications.unpublish(sessionId, publicationId);
      return {};
    },
    'sfu.mute': async ({ roomId, sessionId, publicationId, muted }) => {
      await (await node.room(roomId)).publications.mute(sessionId, publicationId, muted);
      return {};
    },
    'sfu.subscribe': async ({ roomId, sessionId, publicationIds }) =>
      (await node.room(roomId)).subscriptions.subscribe(sessionId, publicationIds),
    'sfu.unsubscribe': async ({ roomId, sessionId, publicationIds }) => {
      await (await node.room(roomId)).subscriptions.unsubscribe(sessionId, publicationIds);
      return {};
    },
    'sfu.update_subscriptions': async ({ roomId, sessionId, publicationIds, ...change }) => {
      await (await node.room(roomId)).subscriptions.update(sessionId, publicationIds, change);
      return {};
    },
    'sfu.cordon': async (request) => {
      state.accept(request.term);
      await drain.setState(request.state, request.drainSeconds);
      return { state: state.current };
    },
    'sfu.kill_worker': async ({ worker }) => ({ worker: drills.killWorker(worker) }),
    'sfu.kill_node': async () => {
      drills.killNode();
      return {};
    },
    'sfu.open_pipe': async ({ roomId, ...request }) => {
      await addresses.check(request.toNode, request.endpoint);
      return (await node.room(roomId)).pipes.open(request);
    },
    'sfu.pipe_publication': async ({ roomId, toNode, publicationId }) =>
      (await node.room(roomId)).pipes.send(toNode, publicationId),
    'sfu.unpipe_publication': async ({ roomId, toNode, publicationId }) => {
      const room = await node.room(roomId).catch(() => undefined);
      await room?.pipes.stopSending(toNode, publicationId);
      return {};
    },
    'sfu.subscribed_layers': async ({ roomId, ...request }) => {
      (await node.room(roomId)).pipes.chooseLayers(request);
      return {};
    },
  };
  return bus.serve(sfuQueue(node.options.id), 'exclusive', inTurns(handlers), { prefetch });
}

/**
 * The handlers, which take turns by session, and reject with RATE_LIMITED above `maxRequestsInFlight`, with DEADLINE_EXCEEDED when the
 * caller no longer waits. A media worker that hangs never answers; its commands must not use up the number of commands that the node
 * works on at a time.
 */
function inTurns<T extends SfuCommandType>(handlers: CommandHandlers<T>): CommandHandlers<T> {
  const turns = new FairQueue({
    concurrency,
    concurrencyPerKey: concurrencyPerSession,
    maxPerKey: maxRequestsInFlight,
  });
  type Handler = (payload: { readonly sessionId?: string }, context: CommandContext) => Promise<unknown>;
  const entries = Object.entries<Handler>(handlers as never).map(([type, handler]): [string, Handler] => [
    type,
    (payload, context) => {
      const { signal } = context;
      const run = (): Promise<unknown> => beforeAbort(signal, () => handler(payload, context));
      return payload.sessionId === undefined ? run() : turns.run(payload.sessionId, run);
    },
  ]);
  return Object.fromEntries(entries) as unknown as CommandHandlers<T>;
}

/** Runs the work, unless the caller no longer waits when its turn comes. */
async function beforeAbort<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw new FlotillaError('DEADLINE_EXCEEDED');
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(new FlotillaError('DEADLINE_EXCEEDED'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
