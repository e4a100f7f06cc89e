// Programs and libraries of the operating system. On Debian and Ubuntu, root installs them, after a question on a terminal; elsewhere the error names the command.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { confirmed, logPath, run, SetupError } from './steps.mjs';

/**
 * The full path of a program on the PATH, or undefined.
 * @param {string} program
 */
export function which(program) {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

/** How to find each program, and the names of its packages. */
const known = {
  redis: { present: () => which('redis-server'), debian: ['redis-server'], brew: ['redis'] },
  rabbitmq: {
    present: () => which('rabbitmq-server') ?? (existsSync('/usr/lib/rabbitmq/bin/rabbitmq-server') || undefined),
    debian: ['rabbitmq-server'],
    brew: ['rabbitmq'],
  },
  chromium: {
    present: () =>
      process.env.CHROMIUM_BIN ?? ['chromium', 'chromium-browser', 'google-chrome'].map(which).find(Boolean),
    debian: ['chromium'],
    brew: ['chromium'],
  },
  firefox: {
    present: () => process.env.FIREFOX_BIN ?? ['firefox-esr', 'firefox'].map(which).find(Boolean),
    debian: ['firefox-esr'],
    brew: ['firefox'],
  },
  // In /usr/sbin, which is on the PATH of root alone.
  iproute2: {
    present: () => which('ip') ?? (existsSync('/usr/sbin/ip') || undefined),
    debian: ['iproute2'],
    brew: ['iproute2mac'],
  },
  coturn: {
    present: () => which('turnserver'),
    debian: ['coturn'],
    brew: ['coturn'],
  },
  // Senders of the tests of the media edge. The bindings are those of the system's Python.
  gstreamer: {
    present: () =>
      which('gst-launch-1.0') &&
      ['rtph264pay', 'x264enc', 'opusenc'].every(
        (element) => spawnSync('gst-inspect-1.0', ['--exists', element]).status === 0,
      ) &&
      spawnSync('/usr/bin/python3', ['-c', "import gi; gi.require_version('GstRtspServer', '1.0')"]).status === 0,
    debian: [
      'gstreamer1.0-tools',
      'gstreamer1.0-plugins-base',
      'gstreamer1.0-plugins-good',
      'gstreamer1.0-plugins-ugly',
      'gir1.2-gst-rtsp-server-1.0',
      'python3-gi',
    ],
    brew: ['gstreamer', 'pygobject3'],
  },
  ffmpeg: {
    present: () => which('ffmpeg') && which('ffprobe'),
    debian: ['ffmpeg'],
    brew: ['ffmpeg'],
  },
  chrony: {
    present: () => which('chronyd') ?? (existsSync('/usr/sbin/chronyd') || undefined),
    debian: ['chrony'],
    brew: ['chrony'],
  },
  python: {
    present: () =>
      which('python3') && spawnSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' }).status === 0,
    debian: ['python3', 'python3-venv'],
    brew: ['python'],
  },
  // pgrep and sysctl, of which the latter is in /usr/sbin.
  procps: {
    present: () => which('pgrep') && (which('sysctl') ?? (existsSync('/usr/sbin/sysctl') || undefined)),
    debian: ['procps'],
    brew: [],
  },
  buildah: { present: () => which('buildah'), debian: ['buildah'], brew: ['buildah'] },
  mmdebstrap: { present: () => which('mmdebstrap'), debian: ['mmdebstrap'], brew: ['mmdebstrap'] },
  containerd: {
    present: () =>
      ['containerd', 'runc', 'nft', 'iptables', 'ip'].every((name) => which(name) ?? existsSync(`/usr/sbin/${name}`)) &&
      existsSync('/usr/lib/cni/bridge'),
    debian: ['containerd', 'runc', 'containernetworking-plugins', 'nftables', 'iptables', 'iproute2'],
    brew: [],
  },
  // promtool comes with Prometheus, amtool with Alertmanager.
  prometheus: {
    present: () => which('prometheus') && which('promtool'),
    debian: ['prometheus'],
    brew: ['prometheus'],
  },
  alertmanager: { present: () => which('amtool'), debian: ['prometheus-alertmanager'], brew: [] },
  // In /usr/sbin, as iproute2.
  nginx: {
    present: () => which('nginx') ?? (existsSync('/usr/sbin/nginx') || undefined),
    debian: ['nginx-light'],
    brew: ['nginx'],
  },
  openssl: { present: () => which('openssl'), debian: ['openssl'], brew: ['openssl'] },
  'worker build tools': {
    present: () =>
      ['cmake', 'ninja', 'g++', 'pkg-config', 'flatc'].every(which) &&
      [
        '/usr/include/uv.h',
        '/usr/include/srtp2/srtp.h',
        '/usr/include/absl/types/optional.h',
        '/usr/include/openssl/ssl.h',
      ].every(existsSync),
    debian: [
      'cmake',
      'ninja-build',
      'g++',
      'pkg-config',
      'libssl-dev',
      'libuv1-dev',
      'libsrtp2-dev',
      'libabsl-dev',
      'flatbuffers-compiler',
      'libflatbuffers-dev',
    ],
    brew: ['cmake', 'ninja', 'pkg-config', 'openssl', 'libuv', 'srtp', 'abseil', 'flatbuffers'],
  },
};

/** @typedef {keyof typeof known} SystemProgram */

function isDebian() {
  try {
    return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** @param {SystemProgram} name */
export const isMissing = (name) => !known[name].present();

/**
 * Installs the named programs that are missing, after asking.
 * @param {readonly SystemProgram[]} names
 * @param {import('./steps.mjs').Progress} progress
 */
export async function ensureSystem(names, progress) {
  const missing = names.filter(isMissing);
  if (missing.length === 0) return;
  const debian = isDebian();
  const isMac = process.platform === 'darwin';
  const packages = missing.flatMap((name) => (isMac ? known[name].brew : known[name].debian));
  if (!debian || process.getuid?.() !== 0) {
    const how = debian
      ? `Install with\n  sudo apt-get install -y ${packages.join(' ')}\n`
      : isMac
        ? `Install with\n  brew install ${packages.join(' ')}\n`
        : `Install what Debian calls ${packages.join(', ')} with the package manager of this system, `;
    throw new SetupError(
      `${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} not installed. ${how}and start again.`,
    );
  }
  if (!(await confirmed(`Install ${packages.join(', ')} with apt-get?`)))
    throw new SetupError(`Not installed: ${packages.join(', ')}. Install them yourself, or start again and answer y.`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  progress('apt-get update');
  await run('apt-get', ['update', '-qq'], { env, log: 'apt-update' });
  progress(`apt-get install ${packages.join(' ')}`);
  const { code, output } = await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    env,
    log: 'apt-install',
  });
  const still = names.filter(isMissing);
  if (code !== 0 || still.length > 0) {
    const offline = /Could not resolve|Unable to connect|Temporary failure/i.test(output);
    throw new SetupError(
      `apt-get could not install ${packages.join(' ')}${offline ? ': the package server cannot be reached. Check the network and start again.' : `. Its output is in ${logPath('apt-install')}.`}`,
    );
  }
}
