import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  fileMessage,
  type FileMessage,
  packPiece,
  parseFileMessage,
  parsePiece,
  parseTaken,
  tidyFileName,
} from '../web/call/files/file-messages.ts';

const uint32 = { min: 1, max: 0xffff_ffff };

describe('a file that is sent to the call', () => {
  test('is announced, taken and stopped by messages that come back as they were', () => {
    const messages: FileMessage[] = [
      { say: 'offer', file: 7, name: 'notes.txt', size: 12 },
      { say: 'cancel', file: 7 },
      { say: 'ready', file: 7, to: 'pt_ada' },
      { say: 'got', file: 7, to: 'pt_ada' },
      { say: 'refused', file: 7, to: 'pt_ada' },
    ];
    for (const message of messages) expect(parseFileMessage(fileMessage(message))).toEqual(message);
  });

  test('is not announced by anything else that is said in the room', () => {
    fc.assert(fc.property(fc.jsonValue(), (said) => !parseFileMessage(said) && !parseTaken(said)));
    expect(parseTaken({ file: 7, bytes: 12 })).toEqual({ file: 7, bytes: 12 });
    for (const wrong of [{ bytes: -1 }, { bytes: 1e9 }, { file: '7' }])
      expect(parseTaken({ file: 7, bytes: 1, ...wrong })).toBeUndefined();
    const offer = { kind: 'file', say: 'offer', file: 7, name: 'notes.txt', size: 12 };
    for (const wrong of [
      { kind: 'chat' },
      { say: 'else' },
      { file: 0 },
      { file: 2 ** 32 },
      { name: 7 },
      { size: 0 },
      { size: 1.5 },
      { size: -1 },
    ])
      expect(parseFileMessage({ ...offer, ...wrong })).toBeUndefined();
    expect(parseFileMessage({ kind: 'file', say: 'ready', file: 7 })).toBeUndefined();
  });

  test('comes in pieces that say where they belong', () => {
    fc.assert(
      fc.property(
        fc.integer(uint32),
        fc.nat({ max: 0xffff_ffff }),
        fc.uint8Array({ minLength: 1 }),
        (file, offset, data) => {
          const bytes = new Uint8Array(data);
          // As it comes out of a larger buffer.
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

  test('has a name that shows what it is, whatever its sender calls it', () => {
    expect(tidyFileName('Ferien 2026 ☃.jpeg')).toBe('Ferien 2026 ☃.jpeg');
    expect(tidyFileName('../../etc/passwd')).toBe('.._.._etc_passwd');
    expect(tidyFileName('photo\u202Egpj.exe')).toBe('photogpj.exe');
    expect(tidyFileName('a\u0000b\nc')).toBe('abc');
    for (const none of ['', ' ', '.', '..', '/']) expect(tidyFileName(none)).toBe('file');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1000 }), (name) => {
        const tidy = tidyFileName(`${name}.exe`);
        expect(tidy.length).toBeLessThanOrEqual(200);
        expect(tidy).toMatch(/exe$/);
        expect(tidy).not.toMatch(/[/\\\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});
