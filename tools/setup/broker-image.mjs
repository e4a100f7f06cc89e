// An image of Debian's Redis and RabbitMQ: with it, the brokers of the chart run in a cluster that reaches no image registry.
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildah } from './image.mjs';
import { cacheDir, logPath, run, SetupError } from './steps.mjs';

/** The image as a file that containerd imports. The name of the image in it is known to the tests of deploy/cluster. */
export const brokerImageArchive = join(cacheDir, 'image', 'brokers-1.tar');
const name = 'flotilla.local/brokers:1';

/**
 * Makes the archive unless it exists.
 * @param {import('./steps.mjs').Progress} progress
 */
export async function ensureBrokerImage(progress) {
  if (existsSync(brokerImageArchive)) return 'cached';
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-brokers-'));
  try {
    progress('Debian packages');
    const system = join(dir, 'system.tar');
    const args = ['--variant=minbase', '--include=redis-server,rabbitmq-server', 'bookworm', system];
    const { code } = await run('mmdebstrap', args, { log: 'image-brokers' });
    if (code !== 0) throw new SetupError(`mmdebstrap failed. Its output is in ${logPath('image-brokers')}.`);
    progress('archive');
    const container = await buildah(['from', 'scratch']);
    await buildah(['add', '--quiet', container, system, '/']);
    const path = '/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    await buildah(['config', '--env', `PATH=${path}`, container]);
    await buildah(['commit', '--quiet', '--rm', container, name]);
    const beside = `${brokerImageArchive}.${process.pid}`;
    rmSync(beside, { force: true });
    await buildah(['push', '--quiet', name, `docker-archive:${beside}:${name}`]);
    renameSync(beside, brokerImageArchive);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return undefined;
}
