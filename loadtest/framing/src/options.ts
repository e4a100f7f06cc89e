import { number, type OptionValues, readOptions } from '@flotilla/loadtest-kit';

const about =
  'Encodes and decodes metadata frames and JSON, and sends frames to a worker thread by the ring and by postMessage, alternating in one run.';

const table = {
  bytes: number('payload of a frame in bytes', 1024, 1, 16_000),
  rounds: number('turns of each side', 30, 1, 1000),
  frames: number('frames in a turn', 10_000, 100, 1_000_000),
};

export type Options = OptionValues<typeof table>;

export function framingOptions(): Options {
  return readOptions('bench:framing', about, table);
}
