import {
  type CommandType,
  FlotillaError,
  newId,
  participantIdOf,
  relayQueue,
  type Reply,
  type Room,
} from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { connectBackplane, type Backplane, memoryBackplane } from '@flotilla/backplane';
import {
  joinAs,
  MetadataClient,
  type MetadataClientOptions,
  newcomer,
  nodeReport,
  type Requester,
  roomRecord,
  testBrokers,
  uniqueName,
} from '@flotilla/testkit';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import 'reflect-metadata';
import { MetadataRelayModule, relayConfig } from '@flotilla/metadata-relay';

export const log = createLogger({ service: 'test', level: 'error' });

export const fleets: Record<string, () => Promise<Backplane & { close?(): Promise<void> }>> = {
  memory: async () => memoryBackplane(log),
  'Redis and RabbitMQ': () => {
    const { redisUrl, amqpUrl } = testBrokers();
    const FLOTILLA_NAMESPACE = uniqueName('t');
    const FLOTILLA_BREAKER_HALF_OPEN_SECONDS = 120;
    return connectBackplane(
      { REDIS_URL: redisUrl, AMQP_URL: amqpUrl, FLOTILLA_NAMESPACE, FLOTILLA_BREAKER_HALF_OPEN_SECONDS },
      log,
    );
  },
};

/** Relays of one fleet, and clients that send their requests as commands, as a gateway does. */
export class Harness {
  readonly #relays: INestApplicationContext[] = [];
  readonly #clients: MetadataClient[] = [];

  private constructor(
    readonly backplane: Backplane & { close?(): Promise<void> },
    readonly room: Room,
  ) {}

  static async start(
    open: () => Promise<Backplane>,
    relayIds: readonly string[],
    settings: object = {},
  ): Promise<Harness> {
    const name = uniqueName('r');
    const backplane = await open();
    const room = roomRecord(name);
    await backplane.store.rooms.create(room);
    const harness = new Harness(backplane, room);
    for (const id of relayIds) await harness.startRelay(id, settings);
    return harness;
  }

  async startRelay(id: string, settings: object = {}): Promise<INestApplicationContext> {
    const config = relayConfig.parse({
      FLOTILLA_RELAY_ID: id,
      FLOTILLA_DRAIN_SECONDS: '5',
      ...settings,
    });
    const relay = await NestFactory.createApplicationContext(
      MetadataRelayModule.register({ config, backplane: this.backplane, log }),
      { logger: false },
    );
    this.#relays.push(relay);
    return relay;
  }

  /** Requests of a session. `metadata.connect` goes to `relayId` or to an assigned relay, other requests to the relay they name. */
  requester(relayId?: string, sessionId = newId('session'), userId = `u-${sessionId}`): Requester {
    const { bus, store } = this.backplane;
    return {
      request: async (type: string, payload: unknown): Promise<Reply> => {
        try {
          const { relayId: named, exceptRelay, ...rest } = payload as { relayId?: string; exceptRelay?: string };
          const to = named ?? relayId ?? (await store.relays.assign(this.room.id, [], exceptRelay));
          if (type === 'metadata.connect') await this.#join(sessionId, userId);
          const session = { roomId: this.room.id, sessionId, participantId: participantIdOf(sessionId) };
          const command = type.replace('metadata.', 'relay.') as CommandType;
          const reply = await bus.call(relayQueue(to), command, { ...session, ...rest });
          return { replyTo: '1', ok: true, payload: reply };
        } catch (error) {
          return { replyTo: '1', ok: false, error: FlotillaError.from(error).body };
        }
      },
    };
  }

  /** Makes a session a participant of the room, if it is not. */
  async #join(sessionId: string, userId: string): Promise<void> {
    const { store } = this.backplane;
    // A node without a recent heartbeat is assigned no participants.
    await store.nodes.report(nodeReport('nd_a', { capacity: 1000 }));
    await joinAs(store, { ...newcomer(this.room.id, sessionId), userId });
  }

  async client(
    relayId?: string,
    options: MetadataClientOptions & { sessionId?: string; userId?: string } = {},
  ): Promise<MetadataClient> {
    const client = await MetadataClient.connect(
      this.requester(relayId, options.sessionId, options.userId),
      this.room.id,
      options,
    );
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#relays.map((relay) => relay.close()));
    await this.backplane.close?.();
  }
}
