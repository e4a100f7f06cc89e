import { number, type OptionValues, readOptions } from '@flotilla/loadtest-kit';

const about =
  'Passes frames of video and audio through the packetisers, the retransmission history, the reorder buffer and the depacketisers, and prints the time and the heap that each packet takes.';

const table = {
  bytes: number('size of a video frame in bytes', 10_000, 100, 1_000_000),
  frames: number('frames in a round', 2000, 10, 100_000),
  rounds: number('rounds of each codec', 20, 1, 1000),
};

export type Options = OptionValues<typeof table>;

export function rtpOptions(): Options {
  return readOptions('bench:rtp', about, table);
}
