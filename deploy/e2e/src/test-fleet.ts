import { createWriteStream, mkdirSync } from 'node:fs';
import { type Fleet, type FleetOptions, startFleet } from '@flotilla/local-fleet';
import { RestApi, uniqueName } from '@flotilla/testkit';
import { FleetStore } from './fleet-store.ts';
import { startRestrictedBrokers } from './restricted-brokers.ts';

/** A fleet in a namespace of its own, with its REST API and its store. */
export interface TestFleet extends Fleet {
  readonly namespace: string;
  readonly api: RestApi;
  readonly store: FleetStore;
  /** What the brokers refused to the services' users; nothing for brokers without such users. */
  refusals(): Promise<string[]>;
  /** Starts the processes that have ended again, stops those that were added, and waits until all report. */
  restore(): Promise<void>;
}

export interface TestFleetOptions extends Omit<FleetOptions, 'port' | 'onLine'> {
  /** Starts brokers with a user for each service, although REDIS_URL and AMQP_URL name some. */
  readonly restricted?: boolean;
}

/**
 * Starts a fleet on free ports. Its processes' output is in `.results/<name>-<number of the vitest worker>.log`. Without brokers of its own,
 * each service has a user of its own on both; `stop` rejects when one of them was refused anything.
 */
export async function startTestFleet(name: string, options: TestFleetOptions): Promise<TestFleet> {
  mkdirSync('.results', { recursive: true });
  const log = createWriteStream(`.results/${name}-${process.env['VITEST_POOL_ID'] ?? 0}.log`);
  const namespace = uniqueName(name);
  const { refusals, ...restricted } = await restrictedBrokers(namespace, options);
  const fleet = await startFleet({
    ...options,
    ...restricted,
    port: 0,
    onLine: (process_, line) => log.write(`${process_} ${line}\n`),
    // Dead nodes and relays are removed while a test waits for it.
    env: { ...options.env, FLOTILLA_NAMESPACE: namespace, FLOTILLA_REMOVE_DEAD_SECONDS: '30' },
  });
  const api = new RestApi(fleet.registryUrl, fleet.apiKey);
  const names = new Set(fleet.processes.keys());
  try {
    const store = await FleetStore.connect(fleet, namespace, api);
    return {
      ...fleet,
      namespace,
      api,
      store,
      refusals,
      restore: async () => {
        for (const [process_, child] of fleet.processes) {
          if (names.has(process_) && child.ended) await fleet.startAgain(process_);
          if (!names.has(process_) && !child.ended) await child.stop();
        }
        await store.allReport();
      },
      stop: async () => {
        await store.close();
        await fleet.stop();
      },
    };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}

/** None for a fleet with brokers of its own, or those of REDIS_URL and AMQP_URL unless it is to be restricted. */
async function restrictedBrokers(
  namespace: string,
  { brokers: given, restricted = false }: TestFleetOptions,
): Promise<Pick<FleetOptions, 'brokers' | 'serviceEnv'> & Pick<TestFleet, 'refusals'>> {
  const { REDIS_URL, AMQP_URL } = process.env;
  if (given || (!restricted && (REDIS_URL || AMQP_URL))) return { refusals: async () => [] };
  const brokers = await startRestrictedBrokers(namespace);
  const stop = async (): Promise<void> => {
    let refusals: string[];
    try {
      refusals = await brokers.refusals();
    } finally {
      await brokers.stop();
    }
    if (refusals.length > 0) throw new Error(`the brokers refused what a service does: ${refusals.join('; ')}`);
  };
  return { brokers: { ...brokers, stop }, serviceEnv: brokers.serviceEnv, refusals: () => brokers.refusals() };
}
