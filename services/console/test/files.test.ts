import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fileMessage,
  type FileMessage,
  packPiece,
  parseFileMessage,
  parsePiece,
  parseProgress,
  sanitizeFileName,
} from '../web/call/files/file-messages.ts';

const uint32 = { min: 1, max: 0xffff_ffff };

describe('file transfer messages', () => {
  test('every kind of file message is parsed as it was sent', () => {
    const messages: FileMessage[] = [
      { type: 'offer', file: 7, name: 'notes.txt', size: 12 },
      { type: 'cancel', file: 7 },
      { type: 'ready', file: 7, to: 'pt_ada' },
      { type: 'received', file: 7, to: 'pt_ada' },
      { type: 'refused', file: 7, to: 'pt_ada' },
    ];
    for (const message of messages) expect(parseFileMessage(fileMessage(message))).toEqual(message);
  });

  test('data that is no file message, or has invalid fields, is rejected', () => {
    fc.assert(fc.property(fc.jsonValue(), (data) => !parseFileMessage(data) && !parseProgress(data)));
    expect(parseProgress({ file: 7, bytes: 12 })).toEqual({ file: 7, bytes: 12 });
    for (const wrong of [{ bytes: -1 }, { bytes: 1e9 }, { file: '7' }])
      expect(parseProgress({ file: 7, bytes: 1, ...wrong })).toBeUndefined();
    const offer = { kind: 'file', type: 'offer', file: 7, name: 'notes.txt', size: 12 };
    for (const wrong of [
      { kind: 'chat' },
      { type: 'else' },
      { file: 0 },
      { file: 2 ** 32 },
      { name: 7 },
      { size: 0 },
      { size: 1.5 },
      { size: -1 },
    ])
      expect(parseFileMessage({ ...offer, ...wrong })).toBeUndefined();
    expect(parseFileMessage({ kind: 'file', type: 'ready', file: 7 })).toBeUndefined();
  });

  test('a packed piece is parsed with its file, offset and bytes', () => {
    fc.assert(
      fc.property(
        fc.integer(uint32),
        fc.nat({ max: 0xffff_ffff }),
        fc.uint8Array({ minLength: 1 }),
        (file, offset, data) => {
          const bytes = new Uint8Array(data);
          // A message is a view into a larger buffer.
          const packed = packPiece({ file, offset, bytes });
          const received = new Uint8Array(packed.length + 5);
          received.set(packed, 5);
          const piece = parsePiece(received.subarray(5))!;
          expect({ ...piece, bytes: [...piece.bytes] }).toEqual({ file, offset, bytes: [...bytes] });
        },
      ),
    );
    expect(parsePiece(new Uint8Array(8))).toBeUndefined();
  });

  test('a received file name has no path, no invisible characters, and keeps its extension', () => {
    expect(sanitizeFileName('Ferien 2026 ☃.jpeg')).toBe('Ferien 2026 ☃.jpeg');
    expect(sanitizeFileName('../../etc/passwd')).toBe('.._.._etc_passwd');
    expect(sanitizeFileName('photo\u202Egpj.exe')).toBe('photogpj.exe');
    expect(sanitizeFileName('a\u0000b\nc')).toBe('abc');
    for (const none of ['', ' ', '.', '..', '/']) expect(sanitizeFileName(none)).toBe('file');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1000 }), (name) => {
        const tidy = sanitizeFileName(`${name}.exe`);
        expect(tidy.length).toBeLessThanOrEqual(200);
        expect(tidy).toMatch(/exe$/);
        expect(tidy).not.toMatch(/[/\\\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});
