import type { CommandBus, CommandHandlers, Serving } from '@flotilla/bus';
import { type RelayCommandType, relayQueue } from '@flotilla/contracts';
import type { DtlsParameters } from 'mediasoup/types';
import type { Relay } from '../relay.ts';

/** Consumes the relay's command queue. */
export function serveRelayCommands(bus: CommandBus, relay: Relay): Promise<Serving> {
  const handlers: CommandHandlers<RelayCommandType> = {
    'relay.ping': async () => ({}),
    'relay.connect': (request) =>
      relay.connect({ ...request, dtlsParameters: request.dtlsParameters as DtlsParameters }),
    'relay.disconnect': async ({ roomId, sessionId }) => {
      await relay.room(roomId).then(
        (room) => room.disconnect(sessionId),
        // METADATA_NOT_OPEN: the room has no links here, so there is nothing to close.
        () => undefined,
      );
      return {};
    },
    'relay.publish': async ({ roomId, sessionId, ...declaration }) => ({
      topic: (await relay.room(roomId)).publish(sessionId, declaration),
    }),
    'relay.unpublish': async ({ roomId, sessionId, topic }) => {
      (await relay.room(roomId)).unpublish(sessionId, topic);
      return {};
    },
    'relay.subscribe': async ({ roomId, sessionId, topics }) => ({
      topics: (await relay.room(roomId)).subscribe(sessionId, topics),
    }),
    'relay.unsubscribe': async ({ roomId, sessionId, topics }) => {
      (await relay.room(roomId)).unsubscribe(sessionId, topics);
      return {};
    },
    'relay.report': async ({ roomId, sessionId, ...report }) => {
      (await relay.room(roomId)).report(sessionId, report);
      return {};
    },
  };
  return bus.serve(relayQueue(relay.id), 'exclusive', handlers);
}
