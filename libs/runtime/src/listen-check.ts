import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there. Stop it, or choose another port',
  EACCES: 'ports below 1024 need more rights. Choose a higher one',
  EADDRNOTAVAIL: 'this machine does not have that address. Choose one of its own, or 0.0.0.0',
  ENOTFOUND: 'that is not an address of this machine. Choose one of its own, or 0.0.0.0',
};

/** Tries to listen, and stops at once. Returns why that is not possible and the cure; undefined when it is. */
export async function listenProblem(protocol: 'tcp' | 'udp', host: string, port: number): Promise<string | undefined> {
  try {
    await (protocol === 'tcp' ? listenTcp(host, port) : listenUdp(host, port));
    return undefined;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return `cannot listen on ${host}:${port}/${protocol}: ${reasons[code] ?? message}.`;
  }
}

function listenTcp(host: string, port: number): Promise<void> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => server.close(() => resolve()));
  });
}

function listenUdp(host: string, port: number): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, host, () => socket.close(resolve));
  });
}
