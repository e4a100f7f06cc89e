import { createHash } from 'node:crypto';
import { asyncApiDocument, errorCatalogue, FlotillaError, signalPath, timeHeader } from '@flotilla/contracts';
import { All, Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Edge } from '../edge/edge.ts';
import type { Refusal } from '../edge/upgrade-check.ts';
import { Handshake } from './handshake.ts';

/** Plain HTTP on the path of the WebSocket endpoint. */
@Controller()
export class SignalHttpController {
  constructor(
    @Inject(Handshake) private readonly handshake: Handshake,
    @Inject(Edge) private readonly edge: Edge,
  ) {}

  /**
   * Explains why a WebSocket was refused, which browsers can't read from the upgrade. Takes the same credential as
   * `Authorization: Bearer <token>` or `Resume <token>`.
   */
  @Get(`${signalPath}/validate`)
  async validate(@Req() request: Request, @Res() response: Response): Promise<void> {
    const problem = this.edge.plainProblem(request);
    if (problem) return answer(response, problem);
    try {
      await this.handshake.validate(request);
      response.status(204).set(timeHeader, String(Date.now())).end();
    } catch (error) {
      answer(response, { error: FlotillaError.from(error), headers: {} });
    }
  }

  /** The protocol as an AsyncAPI document. The route is public: the document is written once, and its tag spares repeated answers. */
  @Get('/v1/asyncapi.json')
  asyncApi(@Req() request: Request, @Res() response: Response): void {
    const { body, tag } = (this.#asyncApi ??= prepared(asyncApiDocument()));
    response.set({ 'Content-Type': 'application/json; charset=utf-8', ETag: tag });
    if (request.fresh) response.status(304).end();
    else response.set('Content-Length', String(body.length)).end(body);
  }
  #asyncApi: Prepared | undefined;

  /** Requests that are not upgrades; the adapter handles those. */
  @All(signalPath)
  noUpgrade(@Req() request: Request, @Res() response: Response): void {
    const problem = this.edge.upgradeProblem(request);
    answer(response, problem ?? { error: new FlotillaError('BAD_MESSAGE'), headers: {} });
  }
}

function answer(response: Response, { error, headers }: Refusal): void {
  response
    .status(errorCatalogue[error.code].status)
    .set({ ...headers, [timeHeader]: String(Date.now()) })
    .json({ error: error.body });
}

interface Prepared {
  readonly body: Buffer;
  /** Entity tag, RFC 9110 section 8.8.3. */
  readonly tag: string;
}

function prepared(document: object): Prepared {
  const body = Buffer.from(JSON.stringify(document));
  return { body, tag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}
