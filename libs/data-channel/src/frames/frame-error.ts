/**
 * Why a frame is refused:
 * - `too-large`: longer than the maximum
 * - `malformed`: not protobuf, or invalid fields
 * - `unknown-kind`: no body, or an unknown kind of body
 * - `direction`: a publisher sent a frame that only the relay may send, or vice versa
 * - `topic`, `publisher`: an invalid name
 * - `shard`: index, total, size and payload contradict each other
 * - `range`: an invalid sequence id, or a range that ends before it begins
 * - `time`: an invalid time
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

/** A frame was refused. The only error that encoding and decoding throw. */
export class FrameError extends Error {
  override name = 'FrameError';
  readonly code: FrameErrorCode;

  constructor(code: FrameErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
