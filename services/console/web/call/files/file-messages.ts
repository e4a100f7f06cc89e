/**
 * What sending a file needs. Who sends says so to the room (`offer`); who takes it subscribes to the topic and says `ready`.
 * Then the file goes over the topic, reliably, in pieces that each say which file they are of and where they begin. Who takes
 * it says on another topic how far they are: a relay keeps a mebibyte for whoever is slow, and no more.
 */
export const filesTopic = 'demo.files';
export const takenTopic = 'demo.files.taken';

export const maxFileBytes = 100_000_000;
/** With its head at most what is delivered as one message. */
export const pieceBytes = 192 * 1024;
/** So far may the slowest be behind. */
export const windowBytes = 4 * pieceBytes;
const headBytes = 8;
const longestName = 200;

/** Something said about a file; `file` is the sender's number for it, `to` is who sends it. */
export type FileMessage =
  | { readonly say: 'offer'; readonly file: number; readonly name: string; readonly size: number }
  | { readonly say: 'cancel'; readonly file: number }
  | { readonly say: 'ready' | 'got' | 'refused'; readonly file: number; readonly to: string };

/** What `room.send` takes. */
export const fileMessage = (message: FileMessage): object => ({ kind: 'file', ...message });

const isNumber = (value: unknown, most: number): value is number =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) <= most;

/** Anybody in the room may send anything: undefined for what is not about a file. */
export function parseFileMessage(data: unknown): FileMessage | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { kind, say, file, name, size, to } = data as Record<string, unknown>;
  if (kind !== 'file' || !isNumber(file, 0xffff_ffff)) return undefined;
  switch (say) {
    case 'offer':
      if (typeof name !== 'string' || !isNumber(size, Number.MAX_SAFE_INTEGER)) return undefined;
      return { say, file, name: tidyFileName(name), size };
    case 'cancel':
      return { say, file };
    case 'ready':
    case 'got':
    case 'refused':
      return typeof to === 'string' ? { say, file, to } : undefined;
    default:
      return undefined;
  }
}

/** A name without a path, and without letters that can't be seen or turn the direction of writing, and hide its ending. */
export function tidyFileName(name: string): string {
  const tidy = name
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, '')
    .replaceAll(/[/\\:*?"<>|]/g, '_')
    .trim();
  // The ending says what it is: better to lose of the middle.
  const short = tidy.length > longestName ? `${tidy.slice(0, longestName - 20)}…${tidy.slice(-19)}` : tidy;
  return /^[._]*$/.test(short) ? 'file' : short;
}

/** How much of a file somebody has. */
export interface Taken {
  readonly [key: string]: number;
  readonly file: number;
  readonly bytes: number;
}

export function parseTaken(data: unknown): Taken | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { file, bytes } = data as Record<string, unknown>;
  if (!isNumber(file, 0xffff_ffff) || !isNumber(bytes, maxFileBytes)) return undefined;
  return { file, bytes };
}

/** Bytes of a file from `offset` on. */
export interface Piece {
  readonly file: number;
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** File and offset as 32-bit numbers, the first byte the highest, then the bytes. */
export function packPiece({ file, offset, bytes }: Piece): Uint8Array {
  const packed = new Uint8Array(headBytes + bytes.length);
  const head = new DataView(packed.buffer);
  head.setUint32(0, file);
  head.setUint32(4, offset);
  packed.set(bytes, headBytes);
  return packed;
}

/** The bytes are a view of the message. Undefined for what is no piece. */
export function parsePiece(message: Uint8Array): Piece | undefined {
  if (message.length <= headBytes) return undefined;
  const head = new DataView(message.buffer, message.byteOffset, headBytes);
  const bytes = message.subarray(headBytes) as Uint8Array<ArrayBuffer>;
  return { file: head.getUint32(0), offset: head.getUint32(4), bytes };
}

export const megabytes = (bytes: number): string =>
  bytes < 1_000_000
    ? `${Math.ceil(bytes / 1000)}\u00A0kB`
    : `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0)}\u00A0MB`;
