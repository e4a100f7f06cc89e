import type { Serving } from '@flotilla/bus';
import { newId } from '@flotilla/contracts';
import { MediaNode, type PipeListen } from '@flotilla/media';
import { announcedFor, type Health, type Logger } from '@flotilla/runtime';
import type { Backplane } from '@flotilla/backplane';
import { type DynamicModule, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { NodeConfig } from './config.ts';
import { DeadNodes } from './dead-nodes.ts';
import { Drain } from './drain.ts';
import { Heartbeat } from './heartbeat.ts';
import { serveSfuCommands, type SfuNodeParts } from './inbound/commands.ts';
import { OwnState } from './node-state.ts';
import { peerNodes } from './peer-nodes.ts';
import { PipeAddresses } from './pipe-addresses.ts';
import { PipeChecks } from './pipe-checks.ts';
import { PipeProbe } from './pipe-probe.ts';
import { Drills } from './drills.ts';
import { StaleNodes } from './stale-nodes.ts';

export interface SfuWorkerOptions {
  readonly config: NodeConfig;
  readonly backplane: Backplane;
  readonly log: Logger;
  /** Host and port at which other services reach this process. Absent when other services run in it. */
  readonly address?: string | undefined;
  /** Names other nodes that cannot be reached. They do not make the process not ready. */
  readonly health?: Health;
  /** Ends the process after a drain. Absent when other services run in this process. */
  readonly endProcess?: () => void;
}

/** One SFU node: its media, the commands it serves, its heartbeat. */
@Module({})
export class SfuWorkerModule {
  static register({ config, backplane, log, address, health, endProcess }: SfuWorkerOptions): DynamicModule {
    const id = config.FLOTILLA_NODE_ID ?? newId('node');
    const nodeLog = log.child({ node: id });
    const staleNodes = new StaleNodes();
    const addresses = new PipeAddresses(backplane.store.nodes);
    const pipeListen: PipeListen = {
      ip: config.FLOTILLA_SFU_PIPE_IP,
      announcedAddress: config.FLOTILLA_SFU_PIPE_ANNOUNCED_ADDRESS,
      ports: config.FLOTILLA_SFU_PIPE_PORTS,
    };
    return {
      module: SfuWorkerModule,
      providers: [
        {
          provide: MediaNode,
          useFactory: () =>
            MediaNode.start({
              id,
              workers: config.FLOTILLA_SFU_WORKERS,
              spreadLoad: config.FLOTILLA_SFU_SPREAD_LOAD,
              listen: {
                ips: config.FLOTILLA_SFU_LISTEN_IPS,
                announced: announcedFor({
                  list: config.FLOTILLA_SFU_ANNOUNCED_ADDRESS,
                  index: config.FLOTILLA_ANNOUNCED_INDEX,
                  ips: config.FLOTILLA_SFU_LISTEN_IPS,
                }),
                portBase: config.FLOTILLA_SFU_PORT_BASE,
              },
              pipeListen,
              maxPublishBitrate: config.FLOTILLA_SFU_MAX_PUBLISH_BITRATE,
              rooms: backplane.store.rooms,
              migrations: backplane.store.migrations,
              events: backplane.events,
              peers: peerNodes(backplane.bus, staleNodes, addresses),
              log: nodeLog,
            }),
        },
        {
          provide: SfuNode,
          useFactory: async (media: MediaNode) => {
            const probe = await PipeProbe.open(id, pipeListen);
            const pipeChecks = new PipeChecks(id, probe, backplane.store.nodes, nodeLog);
            health?.addCheck('pipes', () => pipeChecks.problem(), Infinity);
            const { ip, announcedAddress = ip, ports } = pipeListen;
            const pipes = { ip: announcedAddress, ...(ports && { ports }), probePort: probe.port };
            const state = new OwnState();
            const {
              FLOTILLA_SFU_CAPACITY: capacity,
              FLOTILLA_INSTANCE: instance,
              FLOTILLA_REVISION: revision,
            } = config;
            const { nodes } = backplane.store;
            const settings = { capacity, instance, revision, address, pipes };
            const heartbeat = new Heartbeat(media, nodes, settings, state, pipeChecks, staleNodes, nodeLog);
            const drain = new Drain({ media, state, heartbeat }, endProcess, nodeLog);
            const drillSettings = { allowed: config.FLOTILLA_DRILLS, ownProcess: endProcess !== undefined };
            const drills = new Drills(media, drillSettings, nodeLog);
            const parts = { media, state, heartbeat, drain, drills, addresses, probe, pipeChecks };
            const deadNodes = new DeadNodes(media, nodes, nodeLog);
            return new SfuNode(parts, deadNodes, backplane, config.FLOTILLA_DRAIN_SECONDS * 1000, nodeLog);
          },
          inject: [MediaNode],
        },
      ],
      exports: [MediaNode],
    };
  }
}

/** Starts and stops the node: it serves commands before its first report and after its removal, so that assigned members reach it. */
class SfuNode implements OnApplicationBootstrap, OnApplicationShutdown {
  #serving: Serving | undefined;

  constructor(
    private readonly parts: SfuNodeParts & { readonly probe: PipeProbe; readonly pipeChecks: PipeChecks },
    private readonly deadNodes: DeadNodes,
    private readonly backplane: Backplane,
    private readonly drainMs: number,
    private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.#serving = await serveSfuCommands(this.backplane.bus, this.parts);
    await this.parts.heartbeat.start();
    this.deadNodes.start();
    this.parts.pipeChecks.start();
    this.log.info('SFU node started');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.parts.drain.stop(this.drainMs);
    this.deadNodes.stop();
    this.parts.pipeChecks.stop();
    await this.parts.heartbeat
      .stop()
      .catch((error: unknown) => this.log.warn({ err: error }, 'node not removed from the store, it times out there'));
    await this.#serving?.close();
    await this.parts.media.close();
    this.parts.probe.close();
  }
}
