import type { SharedBucket, TokenBucket } from '@flotilla/runtime';

/** What a receiver is sent of a message beyond its stored text: the address, the offset and the header of the frame, in bytes. */
export const frameOverheadBytes = 128;

/** Receivers that a rate in bytes is meant for. A message to more takes accordingly more of the rate. */
export const receiversPerRate = 128;

/** Bursts into a room, in seconds of its rate. Below the unsent bytes at which a receiver is disconnected. */
export const roomBurstSeconds = 3;

/** Largest text, with its envelope, that a sender below its own part of a rate can send however many receivers there are, bytes. */
export const chatTextBytes = 1024;

/** What a message or an event takes of a rate. `bytes`: its stored text with the envelope. `receivers`: in the whole fleet. */
export const fanOutBytes = (bytes: number, receivers: number): number =>
  (bytes + frameOverheadBytes) * Math.max(1, receivers / receiversPerRate);

/** `bytes`: its stored text with the envelope. `receivers`: in the whole fleet. */
export interface SentMessage {
  readonly bytes: number;
  readonly receivers: number;
}

/**
 * Takes a message of a rate that senders share. Returns false, and takes nothing, when it must be refused. To many receivers a message
 * costs more than the sender's part ever has; a text that is no larger than `chatTextBytes` takes all of the part then, and is below it.
 * What costs more than the rate ever has takes what it may.
 *
 * @param sender its part of the rate. Without one, the sender is above it.
 */
export function takeMessage(
  rate: SharedBucket,
  { bytes, receivers }: SentMessage,
  sender: TokenBucket | undefined,
  now: number,
): boolean {
  const cost = fanOutBytes(bytes, receivers);
  const isText = bytes <= chatTextBytes;
  const own = isText && sender ? Math.min(cost, sender.burst) : cost;
  return rate.take(Math.min(cost, isText ? rate.reserved : rate.largest), sender, now, own);
}
