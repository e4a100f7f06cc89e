/** First byte of a frame: FIN and the opcode, RFC 6455 section 5.2. */
const finText = 0x81;
const finPing = 0x89;

/** A ping without a payload. */
export const pingFrame = Buffer.from([finPing, 0]);

/**
 * An unmasked text frame, as a server sends it (RFC 6455 section 5.2). Encoded once, it is written to every recipient
 * unchanged; `send` of `ws` would build a header per recipient and write two buffers.
 */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = finText;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header);
  return frame;
}
