import { errorCatalogue, FlotillaError, signalPath } from '@flotilla/contracts';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Handshake } from './handshake.ts';

/** Plain HTTP on the path of the WebSocket endpoint. */
@Controller()
export class SignalHttpController {
  constructor(@Inject(Handshake) private readonly handshake: Handshake) {}

  /** A browser can't see why its WebSocket was refused. It asks here, with the same token: `Authorization: Bearer <token>`, or `Resume <token>`. */
  @Get(`${signalPath}/validate`)
  async validate(@Req() request: Request, @Res() response: Response): Promise<void> {
    try {
      await this.handshake.validate(request);
      response.status(204).end();
    } catch (error) {
      const failure = FlotillaError.from(error);
      response.status(errorCatalogue[failure.code].status).json({ error: failure.body });
    }
  }

  @Get(signalPath)
  upgradeRequired(@Res() response: Response): void {
    const failure = new FlotillaError('BAD_MESSAGE', 'this is a WebSocket endpoint');
    response.status(426).set('Upgrade', 'websocket').json({ error: failure.body });
  }
}
