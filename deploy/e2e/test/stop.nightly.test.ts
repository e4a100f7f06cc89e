import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Child, freePort } from '@flotilla/processes';
import { notYet, waitFor } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** The processes of an `npm run`: npm, the script of tools/ and the program that it runs. */
const chain = ['npm', 'the script', 'the program'] as const;

/** Parent and state of every process: proc(5), `pid (command) state ppid`. */
function processTable(): Map<number, { parent: number; state: string }> {
  const table = new Map<number, { parent: number; state: string }>();
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))!;
      table.set(Number(pid), { parent: Number(parent), state: state! });
    } catch {
      // The process has ended meanwhile.
    }
  }
  return table;
}

/** The process and all its descendants. */
function treeOf(root: number): number[] {
  const tree = [root];
  const table = [...processTable()];
  for (const parent of tree) tree.push(...table.filter(([, of]) => of.parent === parent).map(([pid]) => pid));
  return tree;
}

/** An `npm run` in a separate process session and data directory. */
class NpmRun {
  readonly #tmp = mkdtempSync(join(tmpdir(), 'flotilla-stop-'));
  readonly #npm: Child;

  constructor(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}) {
    this.#npm = new Child('npm', 'npm', args, { cwd: root, env: { ...process.env, TMPDIR: this.#tmp, ...env } });
    onTestFinished(async () => {
      await this.#npm.stop('SIGKILL');
    });
  }

  /** Resolves when it has written a line that matches. */
  async ready(line: RegExp): Promise<void> {
    await this.#npm.line(line, 60_000);
  }

  /** Sends the signal to one process of the chain and awaits the end of all of them, and of what they started. */
  async endsAt(signal: NodeJS.Signals, to: (typeof chain)[number]): Promise<void> {
    const tree = await waitFor('the program has children', () => {
      const found = treeOf(this.#npm.process.pid!);
      return found.length > chain.length ? found : notYet(`${found.length} processes run`);
    });
    process.kill(tree[chain.indexOf(to)]!, signal);
    await waitFor(
      'every process ends',
      () => {
        const table = processTable();
        const left = tree.filter((pid) => table.has(pid) && table.get(pid)!.state !== 'Z');
        if (left.length > 0) notYet(`${left.length} of ${tree.length} run`);
      },
      { timeoutMs: 30_000 },
    );
    expect(readdirSync(this.#tmp).filter((name) => name.startsWith('flotilla-'))).toEqual([]);
  }
}

async function expectFree(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  server.close();
}

/** Without these a fleet starts brokers of its own. */
const noBrokers = { REDIS_URL: undefined, AMQP_URL: undefined };

const everyCase = chain.flatMap((process) => signals.map((signal) => [signal, process] as const));

describe('npm start', () => {
  test.each(everyCase)('ends with all it started when %s reaches %s', async (signal, process) => {
    const port = await freePort();
    const run = new NpmRun(['start', '--', '--local-only', '--port', String(port)], { FLOTILLA_SFU_WORKERS: '1' });
    await run.ready(/Flotilla is ready/);
    await run.endsAt(signal, process);
    await expectFree(port);
  });
});

describe('npm run fleet', () => {
  test.each([
    ['SIGTERM', 'npm'],
    ['SIGHUP', 'the script'],
    ['SIGINT', 'the program'],
  ] as const)('ends with its services and brokers when %s reaches %s', async (signal, process) => {
    const port = await freePort();
    const args = ['run', 'fleet', '--', '--local-only', '--port', String(port), '--sfu-nodes', '1'];
    const run = new NpmRun(args, noBrokers);
    await run.ready(/Flotilla is ready/);
    await run.endsAt(signal, process);
    await expectFree(port);
  });

  test('ends with what it started so far when SIGTERM reaches npm before it is ready', async () => {
    const run = new NpmRun(['run', 'fleet', '--', '--local-only', '--port', String(await freePort())], noBrokers);
    await run.ready(/Starting Redis, RabbitMQ/);
    await run.endsAt('SIGTERM', 'npm');
  });
});

describe('npm run bench:metadata', () => {
  test.each([
    ['SIGHUP', 'npm'],
    ['SIGINT', 'the script'],
    ['SIGTERM', 'the program'],
  ] as const)('ends with its fleet and its clients when %s reaches %s', async (signal, process) => {
    const run = new NpmRun(['run', 'bench:metadata', '--', '--subscribers', '2', '--seconds', '60'], noBrokers);
    await run.ready(/connecting: two relays/);
    await run.endsAt(signal, process);
  });
});
