import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const maxBuffer = 64 * 2 ** 20;

export interface Probe {
  readonly format: string;
  readonly codec: string;
  /** Presentation times of the packets, in ms. */
  readonly packetsMs: readonly number[];
}

/** What ffprobe finds in a file. */
export async function probe(path: string): Promise<Probe> {
  const { stdout } = await run(
    'ffprobe',
    [...['-v', 'error', '-show_format', '-show_streams', '-show_packets', '-of', 'json'], path],
    { maxBuffer },
  );
  const { format, streams, packets } = JSON.parse(stdout) as {
    format: { format_name: string };
    streams: { codec_name: string }[];
    packets: { pts_time: string }[];
  };
  return {
    format: format.format_name,
    codec: streams[0]!.codec_name,
    packetsMs: packets.map(({ pts_time: seconds }) => Number(seconds) * 1000),
  };
}

export interface Decoded {
  /** Time in the file, in ms. */
  readonly atMs: number;
  /** Brightness of a picture, or level of a sound in dB. */
  readonly value: number;
}

async function filtered(path: string, kind: 'v' | 'a', filter: string): Promise<{ values: Decoded[]; errors: string }> {
  const { stdout, stderr } = await run(
    'ffmpeg',
    [...['-hide_banner', '-v', 'error', '-copyts', '-i', path, `-${kind}f`, filter], ...['-f', 'null', '-']],
    { maxBuffer },
  );
  const values = Array.from(stdout.matchAll(/pts_time:(\S+)\n\S+?=(\S+)/g), ([, seconds, value]): Decoded => ({
    atMs: Number(seconds) * 1000,
    value: Number(value),
  }));
  return { values, errors: stderr };
}

/** Decodes all pictures. `errors` has what the decoder complains about. */
export const pictures = (path: string) =>
  filtered(path, 'v', 'signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-');

/** Decodes the sound, in windows of 10 ms. */
export const sounds = (path: string) =>
  filtered(
    path,
    'a',
    'asetnsamples=480,astats=metadata=1:reset=1,ametadata=print:key=lavfi.astats.Overall.RMS_level:file=-',
  );

/** The times at which values rise above a threshold. */
export function onsets(values: readonly Decoded[], threshold: number): number[] {
  return values.flatMap(({ atMs, value }, at) => {
    const before = values[at - 1]?.value ?? -Infinity;
    return value > threshold && before <= threshold ? [atMs] : [];
  });
}
