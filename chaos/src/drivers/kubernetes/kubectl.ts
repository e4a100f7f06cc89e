import { command, type CommandOptions, currentKubeconfig, program } from '@flotilla/cluster';
import { Child } from '@flotilla/processes';

/** kubectl for a cluster. */
export class Kubectl {
  private constructor(
    private readonly binary: string,
    private readonly where: readonly string[],
  ) {}

  /** The cluster of this machine. */
  static local(): Kubectl {
    return new Kubectl(program('kubectl'), ['--kubeconfig', currentKubeconfig()]);
  }

  /** A context of the user's own kubeconfig. */
  static ofContext(context: string): Kubectl {
    return new Kubectl(process.env['KUBECTL_BIN'] ?? 'kubectl', ['--context', context]);
  }

  run(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return command(this.binary, [...this.where, ...args], options);
  }

  async get<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.run(['get', ...args, '--output', 'json'])) as T;
  }

  /** Starts kubectl as a server, such as `proxy` or `port-forward`. It ends with this process. */
  start(args: readonly string[]): Child {
    return new Child(`kubectl ${args[0]}`, this.binary, [...this.where, ...args]);
  }
}

/** The API server without a process for each request. */
export class ApiProxy {
  private constructor(
    private readonly child: Child,
    private readonly url: string,
  ) {}

  static async start(kubectl: Kubectl): Promise<ApiProxy> {
    const child = kubectl.start(['proxy', '--port=0']);
    const [, port] = await child.line(/Starting to serve on 127\.0\.0\.1:(\d+)/);
    return new ApiProxy(child, `http://127.0.0.1:${port}`);
  }

  async text(path: string, timeoutMs: number): Promise<string> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`${path}: status ${response.status}`);
    return response.text();
  }

  async stop(): Promise<void> {
    await this.child.stop();
  }
}
