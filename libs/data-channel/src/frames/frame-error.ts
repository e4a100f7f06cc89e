/**
 * Why a frame is refused:
 * - `too-large`: longer than a frame may be
 * - `malformed`: not protobuf, or not the fields of a frame
 * - `unknown-kind`: no body, or one of a kind that this version does not know
 * - `direction`: a publisher sent what only the relay sends, or the relay what only publishers do
 * - `topic`, `publisher`: not a name
 * - `shard`: index, total, size and payload contradict each other
 * - `range`: a sequence id that is none, or a range that ends before it begins
 * - `time`: not a time
 */
export type FrameErrorCode =
  | 'too-large'
  | 'malformed'
  | 'unknown-kind'
  | 'direction'
  | 'topic'
  | 'publisher'
  | 'shard'
  | 'range'
  | 'time';

/** A frame that is refused. The only error that encoding and decoding throw. */
export class FrameError extends Error {
  override name = 'FrameError';
  readonly code: FrameErrorCode;

  constructor(code: FrameErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
