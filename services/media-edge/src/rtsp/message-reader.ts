/** Largest header of a message, and largest body, in bytes. */
const maxHeaderBytes = 16_384;
const maxBodyBytes = 65_536;
const maxHeaderLines = 128;
const dollar = 0x24;

/** A response or a request of the server. */
export interface RtspMessage {
  /** First line. */
  readonly start: string;
  /** Values by name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

export interface ReaderHandlers {
  onMessage(message: RtspMessage): void;
  /** An interleaved packet (RFC 2326, section 10.12). A view of the bytes received. */
  onPacket(channel: number, packet: Buffer): void;
}

/** Splits the bytes of an RTSP connection into messages and interleaved packets. */
export class MessageReader {
  /** What has been received and not been taken, and its length in bytes. */
  #chunks: Buffer[] = [];
  #length = 0;
  /** Length at which the first message or packet is whole, as far as it is known, in bytes. */
  #needed = 0;

  constructor(private readonly handlers: ReaderHandlers) {}

  /** Throws an Error when what is received is not RTSP. */
  push(chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.#length < this.#needed) {
      // Copied, so that a few bytes do not keep a large chunk.
      this.#chunks.push(Buffer.from(chunk));
      return;
    }
    let rest: Buffer = this.#chunks.length === 0 ? chunk : Buffer.concat([...this.#chunks, chunk]);
    this.#needed = 0;
    for (;;) {
      const size = rest[0] === dollar ? this.#takePacket(rest) : this.#takeMessage(rest);
      if (size === 0) break;
      rest = rest.subarray(size);
    }
    this.#chunks = rest.length === 0 ? [] : [Buffer.from(rest)];
    this.#length = rest.length;
  }

  /** Returns the number of bytes taken; 0 until all of them are there. */
  #takePacket(bytes: Buffer): number {
    if (bytes.length < 4) return 0;
    const size = 4 + bytes.readUInt16BE(2);
    if (bytes.length < size) return this.#await(size);
    this.handlers.onPacket(bytes[1]!, bytes.subarray(4, size));
    return size;
  }

  #await(size: number): 0 {
    this.#needed = size;
    return 0;
  }

  #takeMessage(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 && bytes.length <= maxHeaderBytes) return 0;
    if (end < 0 || end > maxHeaderBytes) throw new Error(`a header of more than ${maxHeaderBytes} bytes`);
    const [start = '', ...lines] = bytes
      .toString('latin1', 0, end)
      .replace(/^(\r\n)+/, '')
      .split('\r\n');
    if (lines.length > maxHeaderLines) throw new Error(`a header of more than ${maxHeaderLines} lines`);
    const headers = new Map<string, string[]>();
    for (const line of lines) {
      const at = line.indexOf(':');
      if (at < 0) throw new Error('a header line without a colon');
      const name = line.slice(0, at).trim().toLowerCase();
      const value = line.slice(at + 1).trim();
      const known = headers.get(name);
      if (known) known.push(value);
      else headers.set(name, [value]);
    }
    const bodyBytes = Number(headers.get('content-length')?.[0] ?? 0);
    if (!(bodyBytes >= 0 && bodyBytes <= maxBodyBytes)) throw new Error(`a body of more than ${maxBodyBytes} bytes`);
    const size = end + 4 + bodyBytes;
    if (bytes.length < size) return this.#await(size);
    this.handlers.onMessage({ start, headers, body: bytes.toString('utf8', end + 4, size) });
    return size;
  }
}
