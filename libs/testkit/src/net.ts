import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections (32768 on Linux, 49152 elsewhere), which come and go. */
const ports = { from: 10_000, to: 32_000 };
const attempts = 100;
const handedOut = new Set<number>();

/**
 * A port of 127.0.0.1 that nobody listens on, and that this process was not given before. Whoever starts a server on it may do
 * so some time later: no outgoing connection takes it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(ports.from, ports.to);
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`none of ${attempts} ports between ${ports.from} and ${ports.to} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
