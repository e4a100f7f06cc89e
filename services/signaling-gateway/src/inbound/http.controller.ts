import { asyncApiDocument, errorCatalogue, FlotillaError, signalPath, timeHeader } from '@flotilla/contracts';
import { StaticDocument } from '@flotilla/runtime';
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

  /** The protocol as an AsyncAPI document. */
  @Get('/v1/asyncapi.json')
  asyncApi(@Req() request: Request, @Res() response: Response): void {
    this.#asyncApi.answer(request, response);
  }
  readonly #asyncApi = new StaticDocument(asyncApiDocument);

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
