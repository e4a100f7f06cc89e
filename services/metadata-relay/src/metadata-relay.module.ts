import type { Serving } from '@flotilla/bus';
import { NtpClient } from '@flotilla/clock';
import { newId } from '@flotilla/contracts';
import { announcedFor, type Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import { type DynamicModule, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { RelayConfig } from './config.ts';
import { drain } from './drain.ts';
import { Heartbeat } from './heartbeat.ts';
import { serveRelayCommands } from './inbound/commands.ts';
import { Relay } from './relay.ts';
import type { RoutingClock } from './routing/link-channels.ts';

export interface MetadataRelayOptions {
  readonly config: RelayConfig;
  readonly backplane: Backplane;
  readonly log: Logger;
}

/** Time to wait for the first calibration. Without an answer of the NTP servers the relay starts with the machine's clock. */
const calibrationMs = 3000;

const routingClock = ({ clock }: NtpClient): RoutingClock => ({
  monotonicMs: () => performance.now(),
  fleetMicros: () => clock.now() * 1000,
});

/** One metadata relay: its links, the commands it serves, its heartbeat. */
@Module({})
export class MetadataRelayModule {
  static register({ config, backplane, log }: MetadataRelayOptions): DynamicModule {
    const id = config.FLOTILLA_RELAY_ID ?? newId('relay');
    const relayLog = log.child({ relay: id });
    return {
      module: MetadataRelayModule,
      providers: [
        {
          provide: NtpClient,
          useFactory: () =>
            new NtpClient({
              servers: config.FLOTILLA_NTP_SERVERS,
              intervalMs: config.FLOTILLA_NTP_INTERVAL_SECONDS * 1000,
              logger: relayLog,
            }),
        },
        {
          provide: Relay,
          useFactory: (time: NtpClient) =>
            Relay.start({
              id,
              listen: {
                ips: config.FLOTILLA_RELAY_LISTEN_IPS,
                announced: announcedFor({
                  list: config.FLOTILLA_RELAY_ANNOUNCED_ADDRESS,
                  index: config.FLOTILLA_ANNOUNCED_INDEX,
                  ips: config.FLOTILLA_RELAY_LISTEN_IPS,
                }),
                portBase: config.FLOTILLA_RELAY_PORT,
              },
              capacity: config.FLOTILLA_RELAY_CAPACITY,
              limits: {
                framesPerSecond: config.FLOTILLA_RELAY_FRAMES_PER_SECOND,
                bytesPerSecond: config.FLOTILLA_RELAY_BYTES_PER_SECOND,
              },
              roomBytesPerSecond: config.FLOTILLA_RELAY_ROOM_BYTES_PER_SECOND,
              clock: routingClock(time),
              events: backplane.events,
              relays: backplane.store.relays,
              rooms: backplane.store.rooms,
              log: relayLog,
            }),
          inject: [NtpClient],
        },
        {
          provide: RelayLifecycle,
          useFactory: (relay: Relay, time: NtpClient) =>
            new RelayLifecycle(relay, time, backplane, config.FLOTILLA_DRAIN_SECONDS * 1000, relayLog),
          inject: [Relay, NtpClient],
        },
      ],
    };
  }
}

/** Serves commands before the first heartbeat, so that an assigned client finds the relay ready; stops in reverse order. */
class RelayLifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #heartbeat: Heartbeat;
  #serving: Serving | undefined;

  constructor(
    private readonly relay: Relay,
    private readonly time: NtpClient,
    private readonly backplane: Backplane,
    private readonly drainMs: number,
    private readonly log: Logger,
  ) {
    this.#heartbeat = new Heartbeat(relay, backplane.store.relays, log);
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#serving = await serveRelayCommands(this.backplane.bus, this.relay);
    // Clients synchronise to this relay's clock, so it is calibrated before they connect.
    await this.time.calibrated(calibrationMs);
    await this.#heartbeat.start();
    this.log.info('metadata relay started');
  }

  async onApplicationShutdown(): Promise<void> {
    await drain(this.relay, this.#heartbeat, this.drainMs, this.log);
    await this.#heartbeat
      .stop()
      .catch((error: unknown) => this.log.warn({ err: error }, 'relay not removed from the store'));
    await this.#serving?.close();
    this.relay.close();
    await this.time.stop();
  }
}
