/** What a receiver is sent of a message beyond its stored text: the address, the offset and the header of the frame, in bytes. */
export const frameOverheadBytes = 128;

/** Receivers that a rate in bytes is meant for. A message to more takes accordingly more of the rate. */
export const receiversPerRate = 128;

/** Bursts into a room, in seconds of its rate. Below the unsent bytes at which a receiver is disconnected. */
export const roomBurstSeconds = 3;

/** What a message or an event takes of a rate. `bytes`: its stored text with the envelope. `receivers`: in the whole fleet. */
export const fanOutBytes = (bytes: number, receivers: number): number =>
  (bytes + frameOverheadBytes) * Math.max(1, receivers / receiversPerRate);
