import type { IncomingMessage } from 'node:http';
import { maxBodyBytes } from './limits.ts';
import { Problem } from './problem.ts';

/**
 * Reads a body of a media type.
 * @throws Problem 415, 413, 408 after `withinMs`, and 400 when it is not UTF-8.
 */
export async function readBody(
  request: IncomingMessage,
  mediaTypes: readonly string[],
  withinMs: number,
): Promise<{ readonly mediaType: string; readonly text: string }> {
  const mediaType = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (!mediaTypes.includes(mediaType))
    throw new Problem(415, `Content-Type must be ${mediaTypes.join(' or ')}`, { 'accept-post': 'application/sdp' });
  const tooLarge = new Problem(413, `the body is larger than ${maxBodyBytes} bytes`, { connection: 'close' });
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge;
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(
      () => reject(new Problem(408, `the body did not arrive within ${withinMs} ms`, { connection: 'close' })),
      withinMs,
    );
    const stop = (finish: () => void): void => {
      clearTimeout(timer);
      finish();
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) stop(() => reject(tooLarge));
      else chunks.push(chunk);
    });
    request.on('end', () => stop(() => resolve(Buffer.concat(chunks))));
    request.on('error', (error) => stop(() => reject(error)));
    request.on('close', () => stop(() => reject(new Problem(400, 'the request was aborted'))));
  });
  try {
    return { mediaType, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    throw new Problem(400, 'the body is not UTF-8');
  }
}
