import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import {
  backgroundNames,
  backgroundPid,
  killInBackground,
  restartInBackground,
  startInBackground,
} from './background.ts';
import { brokersReady, startRabbitMq, startRedis } from './brokers.ts';
import { createKeys } from './certificates.ts';
import { createCpuCgroups, deleteCgroups } from './cgroups.ts';
import { apiServerReady, type ControlPlanePart, startControlPlane } from './control-plane.ts';
import { createNetwork, deleteNetwork } from './network.ts';
import { imageFile, importImage, knownNodes, nodeReady, powerOff, startNode } from './node.ts';
import { inNetwork } from './command.ts';
import {
  clientNamespace,
  localApiPort,
  namespacePath,
  nodeAddress,
  nodeName,
  program,
  servicePorts,
  stateDirectory,
  statePath,
} from './settings.ts';

export interface StartOptions {
  readonly nodes: number;
  /** Image archives that every node imports. */
  readonly images: readonly string[];
  /** Called with a description of each completed step. */
  readonly progress: (done: string) => void;
}

/**
 * Starts a cluster. One that is there, or what is left of one, is removed first.
 *
 * @throws if another program listens on one of the ports on 127.0.0.1.
 */
export async function startCluster({ nodes, images, progress }: StartOptions): Promise<void> {
  const found = existsSync(stateDirectory);
  await stopCluster();
  if (found) progress('removed the previous cluster');
  for (const port of [localApiPort, ...Object.values(servicePorts)]) await isFree(port);
  const numbers = Array.from({ length: nodes }, (_, index) => index + 1);
  createCpuCgroups();
  mkdirSync(statePath('images'), { recursive: true });
  for (const image of images) cpSync(image, imageFile(basename(image)));
  await createKeys(numbers);
  await createNetwork();
  startLoadBalancers(numbers);
  progress('keys and network');
  startRedis();
  const rabbitMq = startRabbitMq();
  await startControlPlane();
  progress('control plane: etcd, API server, controllers, scheduler, DNS, metrics server');
  const startedAt = Date.now();
  for (const node of numbers) await startNode(node);
  for (const node of numbers) {
    await nodeReady(node, startedAt);
    progress(`node ${nodeName(node)}`);
  }
  await rabbitMq;
  await brokersReady();
  progress('Redis and RabbitMQ');
}

/** Throws if a program listens on a port of 127.0.0.1. */
async function isFree(port: number): Promise<void> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    throw new Error(
      `port ${port} of 127.0.0.1 is in use (${(error as Error).message}). Find the program with: ss -ltnp sport = :${port}`,
      { cause: error },
    );
  } finally {
    server.close();
  }
}

/** Leads the services' ports of 127.0.0.1, here and on the client's machine, to the nodes. */
function startLoadBalancers(nodes: readonly number[]): void {
  const client = namespacePath(clientNamespace);
  for (const [service, port] of Object.entries(servicePorts)) {
    const args = [client, `127.0.0.1:${port}`, ...nodes.map((node) => `${nodeAddress(node)}:${port}`)];
    startInBackground(`balance-${service}`, program('forward'), args, { kind: 'path' });
    startInBackground(`balance-${service}-client`, ...inNetwork(client, program('forward'), args), { kind: 'path' });
  }
}

/** Stops and removes the cluster, with what a start that failed has left. */
export async function stopCluster(): Promise<void> {
  await Promise.all(backgroundNames().map(killInBackground));
  await deleteNetwork();
  await deleteCgroups();
  rmSync(stateDirectory, { recursive: true, force: true, maxRetries: 10 });
}

/** Whether a part of a cluster runs; others may have been killed. */
export const isRunning = (): boolean => backgroundNames().some((name) => backgroundPid(name) !== undefined);

/** Gives every node an image. A node that has no power gets it when it starts. */
export async function loadImage(archive: string): Promise<void> {
  const file = imageFile(basename(archive));
  cpSync(archive, file);
  await Promise.all(
    knownNodes()
      .filter((node) => backgroundPid(nodeName(node)) !== undefined)
      .map((node) => importImage(node, file)),
  );
}

export { powerOff };

/** Gives a node its power back. Resolves when Kubernetes finds it ready. */
export async function powerOn(node: number): Promise<void> {
  const isOff = backgroundPid(nodeName(node)) === undefined;
  const startedAt = isOff ? Date.now() : 0;
  if (isOff) await startNode(node);
  await nodeReady(node, startedAt);
}

export const killPart = (part: ControlPlanePart): Promise<void> => killInBackground(part);

/** Starts a part of the control plane that was killed. Resolves when the API server is ready. */
export async function startPart(part: ControlPlanePart): Promise<void> {
  if (backgroundPid(part) === undefined) restartInBackground(part);
  await apiServerReady();
}
