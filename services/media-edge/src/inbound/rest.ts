import { errorCatalogue, FlotillaError, firstIssue } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import {
  type ArgumentsHost,
  Body,
  Catch,
  Controller,
  Delete,
  type ExceptionFilter,
  Get,
  HttpCode,
  HttpException,
  Inject,
  Param,
  Post,
  Req,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { type IngestView, Ingests } from '../ingests.ts';
import { IngestRequest } from '../ingest-request.ts';
import { ApiKeys } from './api-keys.ts';
import { NeedsApiKey, Reads, Writes } from './access.ts';
import { LOG, requireJson, roomOf } from './requests.ts';

/** Answers every failure with `{error: {code, message}}` and the status of its code. */
@Catch()
export class RestErrors implements ExceptionFilter {
  constructor(
    @Inject(LOG) private readonly log: Logger,
    @Inject(ApiKeys) private readonly keys: ApiKeys,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const response = http.getResponse<Response>();
    const cause = fromHttp(error) ?? FlotillaError.from(error);
    if (cause.code === 'INTERNAL') this.log.error({ err: cause.cause }, 'REST request failed');
    const failure = this.keys.failed(http.getRequest<Request>(), cause);
    if (failure.code === 'RATE_LIMITED') response.set('Retry-After', '1');
    response.status(errorCatalogue[failure.code].status).json({ error: failure.body });
  }
}

/** Errors of Nest and of the body parser that are the client's: unknown path, unreadable or too large body. */
function fromHttp(error: unknown): FlotillaError | undefined {
  const status =
    error instanceof HttpException ? error.getStatus() : (error as { status?: unknown } | undefined)?.status;
  if (!(error instanceof Error) || typeof status !== 'number' || status < 400 || status >= 500) return undefined;
  if (status === 404) return new FlotillaError('NOT_FOUND', error.message);
  if (status === 413) return new FlotillaError('BODY_TOO_LARGE');
  return new FlotillaError('BAD_PAYLOAD', error.message, { cause: error });
}

/** The ingests in the REST API, docs/media-edge.md. */
@Controller('/v1/rooms/:room/ingests')
@NeedsApiKey()
export class IngestController {
  constructor(@Inject(Ingests) private readonly ingests: Ingests) {}

  @Post()
  @Writes('ingest')
  create(@Param('room') room: string, @Body() body: unknown, @Req() request: Request): Promise<IngestView> {
    requireJson(request);
    const parsed = IngestRequest.safeParse(body ?? {});
    if (!parsed.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(parsed.error));
    return this.ingests.create(roomOf(room), parsed.data);
  }

  @Get()
  @Reads()
  list(@Param('room') room: string): { ingests: IngestView[] } {
    return { ingests: this.ingests.list(roomOf(room)) };
  }

  @Get(':ingest')
  @Reads()
  get(@Param('room') room: string, @Param('ingest') id: string): IngestView {
    return this.ingests.get(roomOf(room), id);
  }

  @Delete(':ingest')
  @Writes()
  @HttpCode(204)
  delete(@Param('room') room: string, @Param('ingest') id: string): void {
    this.ingests.delete(roomOf(room), id);
  }
}
