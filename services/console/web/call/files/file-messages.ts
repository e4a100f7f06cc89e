/**
 * Protocol of a file transfer. The sender announces the file to the room (`offer`); each receiver subscribes to `filesTopic`
 * and replies `ready`. The sender publishes the file on `filesTopic` reliably, in pieces that carry the file's number and
 * their offset. Receivers publish their progress on `progressTopic`, so that the sender stays within the 1 MiB that a relay
 * buffers for a slow receiver.
 */
export const filesTopic = 'demo.files';
export const progressTopic = 'demo.files.progress';

export const maxFileBytes = 100_000_000;
/** Payload of one piece: with its header below the 256 KiB limit of a metadata message. */
export const pieceBytes = 192 * 1024;
/** How far the sender may be ahead of the slowest receiver. */
export const windowBytes = 4 * pieceBytes;
const headerBytes = 8;
const maxNameLength = 200;

/** Room message about a file. `file` is the number that its sender chose; `to` is the sender's participant id. */
export type FileMessage =
  | { readonly type: 'offer'; readonly file: number; readonly name: string; readonly size: number }
  | { readonly type: 'cancel'; readonly file: number }
  | { readonly type: 'ready' | 'received' | 'refused'; readonly file: number; readonly to: string };

/** Data for `room.send`. */
export const fileMessage = (message: FileMessage): object => ({ kind: 'file', ...message });

const isPositiveInteger = (value: unknown, max: number): value is number =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) <= max;

/** Undefined for data that is no file message. Any participant may send any data to the room. */
export function parseFileMessage(data: unknown): FileMessage | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { kind, type, file, name, size, to } = data as Record<string, unknown>;
  if (kind !== 'file' || !isPositiveInteger(file, 0xffff_ffff)) return undefined;
  switch (type) {
    case 'offer':
      if (typeof name !== 'string' || !isPositiveInteger(size, Number.MAX_SAFE_INTEGER)) return undefined;
      return { type, file, name: sanitizeFileName(name), size };
    case 'cancel':
      return { type, file };
    case 'ready':
    case 'received':
    case 'refused':
      return typeof to === 'string' ? { type, file, to } : undefined;
    default:
      return undefined;
  }
}

/** Removes path separators and characters that are invisible or change the writing direction, which can hide the extension. */
export function sanitizeFileName(name: string): string {
  const visible = name
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, '')
    .replaceAll(/[/\\:*?"<>|]/g, '_')
    .trim();
  // Shortens the middle, to keep the extension.
  const short =
    visible.length > maxNameLength ? `${visible.slice(0, maxNameLength - 20)}…${visible.slice(-19)}` : visible;
  return /^[._]*$/.test(short) ? 'file' : short;
}

/** Bytes of a file that a receiver has. */
export interface Progress {
  readonly [key: string]: number;
  readonly file: number;
  readonly bytes: number;
}

export function parseProgress(data: unknown): Progress | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { file, bytes } = data as Record<string, unknown>;
  if (!isPositiveInteger(file, 0xffff_ffff) || !isPositiveInteger(bytes, maxFileBytes)) return undefined;
  return { file, bytes };
}

/** Bytes of a file at `offset`. */
export interface Piece {
  readonly file: number;
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Encodes file and offset as big-endian 32-bit numbers, followed by the bytes. */
export function packPiece({ file, offset, bytes }: Piece): Uint8Array {
  const packed = new Uint8Array(headerBytes + bytes.length);
  const header = new DataView(packed.buffer);
  header.setUint32(0, file);
  header.setUint32(4, offset);
  packed.set(bytes, headerBytes);
  return packed;
}

/** The bytes are a view of the message. Undefined for a message without payload. */
export function parsePiece(message: Uint8Array): Piece | undefined {
  if (message.length <= headerBytes) return undefined;
  const header = new DataView(message.buffer, message.byteOffset, headerBytes);
  const bytes = message.subarray(headerBytes) as Uint8Array<ArrayBuffer>;
  return { file: header.getUint32(0), offset: header.getUint32(4), bytes };
}

export const megabytes = (bytes: number): string =>
  bytes < 1_000_000
    ? `${Math.ceil(bytes / 1000)}\u00A0kB`
    : `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0)}\u00A0MB`;
