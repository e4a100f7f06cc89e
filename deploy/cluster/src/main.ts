import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { joinClientCgroup } from './cgroups.ts';
import { inNetwork } from './command.ts';
import { isRunning, killPart, loadImage, powerOff, powerOn, startCluster, startPart, stopCluster } from './cluster.ts';
import { controlPlaneParts } from './control-plane.ts';
import { install, notes, printAccess } from './install.ts';
import { setCable } from './network.ts';
import { knownNodes, startKubelet, stopKubelet } from './node.ts';
import { clientNamespace, insideKubeconfig, kubeconfig, maxNodes, namespacePath, program } from './settings.ts';

const usage = readFileSync(new URL('../usage.txt', import.meta.url), 'utf8');

/** A mistake on the command line. */
class UsageError extends Error {}

function nodeNumber(text: string | undefined): number {
  const known = knownNodes();
  const number = Number(text?.replace(/^n/, ''));
  if (known.includes(number)) return number;
  throw new UsageError(`"${text ?? ''}" is not a node of the cluster: ${known.join(', ') || 'there is none'}`);
}

function partName(text: string | undefined): (typeof controlPlaneParts)[number] {
  const part = controlPlaneParts.find((name) => name === text);
  if (!part) throw new UsageError(`"${text ?? ''}" is not one of ${controlPlaneParts.join(', ')}`);
  return part;
}

/** Runs a command in the foreground. Resolves to its exit code. */
function foreground(name: string, args: readonly string[], KUBECONFIG = kubeconfig): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, {
      stdio: 'inherit',
      env: { ...process.env, KUBECONFIG, CLUSTER_KUBECONFIG: KUBECONFIG },
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}

const began = performance.now();
const progress = (done: string): void =>
  console.log(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${done}`);

const imageArchive = (): string => {
  const archive = process.env['FLOTILLA_IMAGE_ARCHIVE'];
  if (!archive) throw new UsageError('FLOTILLA_IMAGE_ARCHIVE is not set: use npm run cluster');
  return archive;
};

async function up(nodes: number, empty: boolean): Promise<void> {
  removeWhenStopped();
  console.log(`Starting a cluster of ${nodes} nodes`);
  await startCluster({ nodes, images: [imageArchive()], progress });
  if (empty) return;
  await install({ progress });
  await printAccess();
}

/** A start that is stopped leaves nothing behind. Nothing else of this process runs while the cluster is removed. */
function removeWhenStopped(): void {
  const stop = (exitCode: number): void => {
    console.log('Stopped: removing what was started');
    // In a session of its own: another Ctrl-C does not reach it.
    spawnSync('setsid', ['--wait', process.execPath, process.argv[1]!, 'down'], { stdio: 'inherit' });
    process.exit(exitCode);
  };
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => stop(128 + constants.signals[signal]));
  // The command that ran this one has ended.
  process.on('disconnect', () => stop(128 + constants.signals.SIGTERM));
  process.channel?.unref();
}

type Command = (args: readonly string[]) => Promise<number | void> | void;

const commands: Readonly<Record<string, Command>> = {
  down: stopCluster,
  install: async () => {
    await loadImage(imageArchive());
    progress('image loaded');
    await install({ progress });
  },
  load: ([archive]) => loadImage(archive ?? ''),
  'power-off': ([node]) => powerOff(nodeNumber(node)),
  'power-on': ([node]) => powerOn(nodeNumber(node)),
  cut: ([node]) => setCable(nodeNumber(node), 'down'),
  heal: ([node]) => setCable(nodeNumber(node), 'up'),
  'stop-kubelet': ([node]) => stopKubelet(nodeNumber(node)),
  'start-kubelet': ([node]) => startKubelet(nodeNumber(node)),
  kill: ([part]) => killPart(partName(part)),
  start: ([part]) => startPart(partName(part)),
  kubectl: (args) => foreground(program('kubectl'), args),
  client: ([name = 'bash', ...args]) => {
    joinClientCgroup();
    return foreground(...inNetwork(namespacePath(clientNamespace), name, args), insideKubeconfig);
  },
};

function readOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        nodes: { type: 'string', default: '3' },
        empty: { type: 'boolean', default: false },
        context: { type: 'string' },
        values: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function requireCluster(): void {
  if (!isRunning()) throw new UsageError('no cluster runs. Start one: npm run cluster');
}

async function main(): Promise<number> {
  const [name = 'up', ...rest] = process.argv.slice(2);
  // What follows these belongs to another program.
  if (name === 'kubectl' || name === 'client') {
    requireCluster();
    return (await commands[name]!(rest)) ?? 0;
  }
  const { values, positionals } = readOptions();
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const [command = 'up', ...args] = positionals;
  const helmArgs = values.values === undefined ? [] : ['--values', values.values];
  if (values.context !== undefined) {
    if (command !== 'up' && command !== 'install') throw new UsageError(`--context does not go with ${command}`);
    await install({ context: values.context, progress }, helmArgs);
    console.log(await notes(values.context));
    return 0;
  }
  if (command === 'up') {
    const nodes = Number(values.nodes);
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes)
      throw new UsageError(`--nodes takes a whole number from 1 to ${maxNodes}, not "${values.nodes}"`);
    await up(nodes, values.empty);
    return 0;
  }
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!run) throw new UsageError(`"${command}" is not a command`);
  if (command !== 'down') requireCluster();
  return (await run(args)) ?? 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message } = error as Error;
  console.error(error instanceof UsageError ? `${message}\n\n${usage}` : `\nThe cluster: ${message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
