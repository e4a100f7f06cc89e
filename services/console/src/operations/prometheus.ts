import { z } from 'zod';

/** Longest time for an answer, ms. */
const timeoutMs = 3000;
/** Longest answer that is read, bytes. */
const maxBytes = 1 << 20;

const Answer = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('vector'),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

/** A series of an instant vector. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Runs instant queries with the HTTP API of Prometheus. */
export class Prometheus {
  readonly #url: URL;

  /** @param url base URL; its path is kept, for servers that share a host */
  constructor(
    url: string,
    private readonly send: (url: URL, init: RequestInit) => Promise<Response> = fetch,
  ) {
    this.#url = new URL('api/v1/query', url.endsWith('/') ? url : `${url}/`);
  }

  /** Throws an Error that says why there is no answer. */
  async query(query: string): Promise<Sample[]> {
    const signal = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await this.send(this.#url, {
        method: 'POST',
        body: new URLSearchParams({ query, timeout: `${timeoutMs}ms` }),
        redirect: 'error',
        signal,
      });
      text = await boundedText(response);
    } catch (error) {
      if (error instanceof TooLong) throw error;
      throw new Error(signal.aborted ? `no answer within ${timeoutMs} ms` : 'it cannot be reached', { cause: error });
    }
    if (!response.ok) throw new Error(`it answered HTTP ${response.status}`);
    const answer = Answer.safeParse(parsed(text));
    if (!answer.success) throw new Error('it does not answer as the HTTP API of Prometheus');
    return answer.data.data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  }
}

class TooLong extends Error {}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    // Leaving the loop cancels the rest.
    if (bytes > maxBytes) throw new TooLong(`its answer is longer than ${maxBytes} bytes`);
    text += decoder.decode(chunk as Uint8Array, { stream: true });
  }
  return text + decoder.decode();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
