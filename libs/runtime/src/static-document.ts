import { createHash } from 'node:crypto';

/** The parts of a request and a response of Express that are used. */
interface DocumentRequest {
  /** Whether the client has the document with the ETag of the response. */
  readonly fresh: boolean;
}
interface DocumentResponse {
  set(fields: Readonly<Record<string, string>>): unknown;
  status(code: number): unknown;
  end(body?: Buffer): unknown;
}

/** A JSON document of a public route: written once, and not sent again to a client that has it. */
export class StaticDocument {
  #written: { readonly body: Buffer; readonly tag: string } | undefined;

  constructor(private readonly make: () => object) {}

  answer(request: DocumentRequest, response: DocumentResponse): void {
    const { body, tag } = (this.#written ??= written(this.make()));
    response.set({ 'Content-Type': 'application/json; charset=utf-8', ETag: tag });
    if (request.fresh) {
      response.status(304);
      response.end();
    } else {
      response.set({ 'Content-Length': String(body.length) });
      response.end(body);
    }
  }
}

function written(document: object): { body: Buffer; tag: string } {
  const body = Buffer.from(JSON.stringify(document));
  // Entity tag, RFC 9110 section 8.8.3.
  return { body, tag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}
