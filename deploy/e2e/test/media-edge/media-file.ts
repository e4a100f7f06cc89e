import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const maxBuffer = 64 * 2 ** 20;

/** What ffprobe finds in a file with one stream. */
export interface MediaFile {
  readonly codec: string;
  readonly packets: number;
  /** Whether no packet is earlier than the one before. */
  readonly isInOrder: boolean;
  /** From the first to the last presentation time. */
  readonly durationMs: number;
}

export async function probe(path: string): Promise<MediaFile> {
  const entries = 'stream=codec_name:packet=pts_time';
  const options = ['-v', 'error', '-show_entries', entries, '-of', 'json', path];
  const { stdout } = await run('ffprobe', options, { maxBuffer });
  const { streams, packets } = JSON.parse(stdout) as {
    streams: { codec_name: string }[];
    packets: { pts_time: string }[];
  };
  const times = packets.map(({ pts_time: seconds }) => Number(seconds) * 1000);
  return {
    codec: streams.map(({ codec_name: name }) => name).join(),
    packets: packets.length,
    isInOrder: times.every((at, index) => index === 0 || at >= times[index - 1]!),
    durationMs: Math.max(...times) - Math.min(...times),
  };
}

/** What a decoder complains about, line by line. */
export async function decoderErrors(path: string): Promise<string[]> {
  const { stderr } = await run('ffmpeg', ['-v', 'repeat+error', '-i', path, '-f', 'null', '-'], { maxBuffer });
  // The output rounds times to a constant frame rate, and complains about equal ones.
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('[null @'));
}

/** The times in a file, in ms, at which a picture that is black otherwise, or silence, ends. */
async function endsOf(path: string, filter: readonly string[], pattern: RegExp): Promise<number[]> {
  const options = ['-hide_banner', '-nostdin', '-copyts', '-i', path, ...filter, '-f', 'null', '-'];
  const { stderr } = await run('ffmpeg', options, { maxBuffer });
  // The last one may be the end of the file.
  return Array.from(stderr.matchAll(pattern), ([, seconds]) => Number(seconds) * 1000).slice(0, -1);
}

export const flashes = (path: string): Promise<number[]> =>
  endsOf(path, ['-vf', 'blackdetect=d=0.3:pix_th=0.3'], /black_end:\s*(\S+)/g);

export const beeps = (path: string): Promise<number[]> =>
  endsOf(path, ['-af', 'silencedetect=n=-30dB:d=0.3'], /silence_end:\s*(\S+)/g);

export const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
