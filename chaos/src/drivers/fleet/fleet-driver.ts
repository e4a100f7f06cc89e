import { setTimeout as pause } from 'node:timers/promises';
import { type Fleet, startFleet } from '@flotilla/local-fleet';
import { adminUrlOf, type Broker, type Child, startRabbitMq, startRedis } from '@flotilla/processes';
import { RestApi } from '@flotilla/testkit';
import type { Experiment } from '../../manifests/experiment.ts';
import { describeFault, type Fault, type Selection } from '../../manifests/faults.ts';
import type { Component } from '../../manifests/schema.ts';
import type { Scrape } from '../../measure/metric-history.ts';
import { readSamples } from '../../measure/prometheus-text.ts';
import { TcpRelay, unimpaired } from '../../network/tcp-relay.ts';
import { type CarryOut, carryOutSteps, type Driver, Refused, refusalOf } from '../driver.ts';
import { impairedLinks, type Link } from './links.ts';
import { fleetRefusal } from './refusals.ts';

export interface FleetDriverOptions {
  /** Processes of each service but the console. Default 2. */
  readonly processes?: number;
  /** Default: `processes`. */
  readonly sfuNodes?: number;
  /** Called with each line that a process writes. */
  readonly onLine?: (name: string, line: string) => void;
}

type Killed = Extract<Fault, { kind: 'pod-kill' | 'pod-failure' | 'container-kill' }>;

/** Time after which a killed process is started again, as Kubernetes does, ms. */
const restartMs = 2000;
const scrapeTimeoutMs = 1500;

const prefixes: Readonly<Record<Exclude<Component, 'redis' | 'rabbitmq'>, string>> = {
  gateway: 'gateway-',
  registry: 'registry-',
  sfu: 'nd_',
  relay: 'rl_',
  autoscaler: 'autoscaler-',
  console: 'console-',
};
const componentOf = (name: string): Component | undefined =>
  (Object.keys(prefixes) as (keyof typeof prefixes)[]).find((component) => name.startsWith(prefixes[component]));

/** A fleet of processes on this machine, of the driver's own, each of whose paths to a broker goes through a relay. */
export class FleetDriver implements Driver {
  readonly name = 'local fleet';
  readonly #adminUrls = new WeakMap<Child, string>();

  private constructor(
    private readonly fleet: Fleet,
    private readonly brokers: Readonly<Record<'redis' | 'rabbitmq', Broker>>,
    private readonly links: readonly Link[],
    readonly urls: Driver['urls'],
    private readonly end: () => Promise<void>,
  ) {}

  static async start(options: FleetDriverOptions = {}): Promise<FleetDriver> {
    const { processes = 2, sfuNodes = processes, onLine } = options;
    const [redis, rabbitmq] = await Promise.all([startRedis({ durable: true }), startRabbitMq()]);
    const brokers = { redis, rabbitmq };
    const relays: TcpRelay[] = [];
    const relayTo = async (ports: () => readonly number[]): Promise<TcpRelay> => {
      const relay = await TcpRelay.start({ targets: () => ports().map((port) => ({ host: '127.0.0.1', port })) });
      relays.push(relay);
      return relay;
    };
    let fleet: Fleet | undefined;
    const end = async (): Promise<void> => {
      await fleet?.stop();
      await Promise.all([...relays.map((relay) => relay.close()), redis.stop(), rabbitmq.stop()]);
    };
    try {
      const links: Link[] = [];
      const numbers = {
        gateway: processes,
        registry: processes,
        sfu: sfuNodes,
        relay: processes,
        autoscaler: processes,
        console: 0,
      };
      const settings = new Map<string, Record<string, string>>();
      for (const [component, prefix] of Object.entries(prefixes))
        for (let number = 1; number <= numbers[component as keyof typeof numbers]; number++) {
          const client = prefix + number;
          const own: Record<string, string> = {};
          for (const [server, setting] of [
            ['redis', 'REDIS_URL'],
            ['rabbitmq', 'AMQP_URL'],
          ] as const) {
            const url = new URL(brokers[server].url);
            const { port } = url;
            const relay = await relayTo(() => [Number(port)]);
            url.port = String(relay.port);
            own[setting] = url.href;
            links.push({ client, clientComponent: component as Component, server, relay });
          }
          settings.set(client, own);
        }
      // As the Services of the registry and, for call pages, of the gateways: to one that answers.
      const registry = await relayTo(() => fleet?.registryUrls.map((url) => Number(new URL(url).port)) ?? []);
      const registryUrl = `http://127.0.0.1:${registry.port}`;
      links.push({ client: undefined, clientComponent: undefined, server: 'registry', relay: registry });
      const gateway = await relayTo(() => fleet?.gatewayUrls.map((url) => Number(new URL(url).port)) ?? []);
      settings.set('console-1', {
        FLOTILLA_REGISTRY_URL: registryUrl,
        FLOTILLA_SIGNAL_URL: `http://127.0.0.1:${gateway.port}`,
      });
      fleet = await startFleet({
        sfuNodes,
        gateways: processes,
        registries: processes,
        autoscalers: processes,
        relays: processes,
        port: 0,
        brokers: { redisUrl: redis.url, amqpUrl: rabbitmq.url, stop: async () => undefined },
        processEnv: (name) => settings.get(name) ?? {},
        ...(onLine && { onLine }),
      });
      const { pageUrl, gatewayUrls, apiKey } = fleet;
      const urls = { pageUrl, gatewayUrls, api: new RestApi(registryUrl, apiKey) };
      return new FleetDriver(fleet, brokers, links, urls, end);
    } catch (error) {
      await end();
      throw error;
    }
  }

  async scrape(): Promise<Scrape[]> {
    const scrapes = [...this.fleet.processes].map(async ([source, child]): Promise<Scrape | undefined> => {
      if (child.ended) return undefined;
      let url = this.#adminUrls.get(child);
      if (url === undefined) this.#adminUrls.set(child, (url = await adminUrlOf(child)));
      const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(scrapeTimeoutMs) });
      return { source, samples: readSamples(await response.text()) };
    });
    return (await Promise.allSettled(scrapes)).flatMap((each) =>
      each.status === 'fulfilled' && each.value ? [each.value] : [],
    );
  }

  async carryOut(experiment: Experiment, options: CarryOut): Promise<void> {
    const reason = refusalOf(experiment, fleetRefusal);
    if (reason !== undefined) throw new Refused(reason);
    await carryOutSteps(experiment.steps, (fault, how) => this.#inject(fault, how), options);
  }

  async #inject(fault: Fault, options: CarryOut): Promise<() => Promise<void>> {
    switch (fault.kind) {
      case 'pod-kill':
      case 'container-kill':
      case 'pod-failure':
        return this.#kill(fault, options);
      case 'delay':
      case 'partition':
      case 'loss': {
        const names = new Set(await this.#chosen(fault.on, options));
        const impaired = impairedLinks(fault, names, this.links);
        for (const { link, change } of impaired) link.relay.impair(change);
        options.event(`${describeFault(fault)}: ${impaired.length} paths are impaired`);
        return async () => {
          for (const { link } of impaired) link.relay.impair(unimpaired);
          options.event('the paths are as before');
        };
      }
      default:
        throw new Refused(fleetRefusal(fault));
    }
  }

  /** Names of the processes that a selection hits. */
  async #chosen({ component, mode }: Selection, { nodeInUse }: CarryOut): Promise<string[]> {
    if (component === 'redis' || component === 'rabbitmq') return [component];
    const running = [...this.fleet.processes].flatMap(([name, child]) =>
      !child.ended && (component === undefined || componentOf(name) === component) ? [name] : [],
    );
    if (mode === 'all') return running;
    const inUse = component === 'sfu' ? await nodeInUse() : undefined;
    return [running.find((name) => name === inUse) ?? running[0]!];
  }

  async #kill(fault: Killed, options: CarryOut): Promise<() => Promise<void>> {
    const names = await this.#chosen(fault.on, options);
    for (const name of names) await this.#end(name);
    options.event(`${names.join(', ')} killed (SIGKILL)`);
    const startAgain = async (): Promise<void> => {
      await Promise.all(names.map((name) => this.#startAgain(name)));
      options.event(`${names.join(', ')} started again`);
    };
    if (fault.kind === 'pod-failure') return startAgain;
    const restarted = pause(restartMs).then(startAgain);
    // Its failure is thrown where it is awaited.
    restarted.catch(() => undefined);
    return () => restarted;
  }

  #process(name: string): Child {
    return name === 'redis' || name === 'rabbitmq' ? this.brokers[name].process : this.fleet.processes.get(name)!;
  }

  async #end(name: string): Promise<void> {
    const child = this.#process(name);
    child.killGroup();
    await child.exited;
  }

  async #startAgain(name: string): Promise<void> {
    if (name === 'redis' || name === 'rabbitmq') await this.brokers[name].resume();
    else await this.fleet.startAgain(name);
  }

  close(): Promise<void> {
    return this.end();
  }
}
