import { type IncomingHttpHeaders, request as plainRequest } from 'node:http';
import { request as tlsRequest, type RequestOptions } from 'node:https';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed if it is JSON, else the text. */
  readonly body: unknown;
}

/** Sends one request, also with headers that `fetch` refuses, such as `Upgrade`. */
export async function httpAnswer(url: string | URL, options: RequestOptions = {}): Promise<HttpAnswer> {
  const send = new URL(url).protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, { agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response
        .on('error', reject)
        .on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed(text) }));
    });
    request.on('error', reject);
    request.on('upgrade', ({ statusCode = 0, headers }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers, body: undefined });
    });
    request.end();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The header fields of a correct opening handshake (RFC 6455, section 4.1), without a credential. */
export const openingHandshake = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
} as const;
