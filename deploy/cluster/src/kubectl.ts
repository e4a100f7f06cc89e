import { command, type CommandOptions } from './command.ts';
import { kubeconfig, program } from './settings.ts';

/** The kubeconfig of the cluster: the one of this machine, or, in the cluster's network, the one that the variable names. */
export const currentKubeconfig = (): string => process.env['CLUSTER_KUBECONFIG'] ?? kubeconfig;

/** Runs kubectl and resolves to what it wrote. */
export function kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return command(program('kubectl'), ['--kubeconfig', currentKubeconfig(), ...args], options);
}

/** Reads an object or a list. */
export async function get<T>(args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(['get', ...args, '--output', 'json'])) as T;
}

/** Creates or changes objects. */
export async function apply(objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify(list) });
}
