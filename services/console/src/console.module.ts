import type { IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import {
  DisplayName,
  errorCatalogue,
  FlotillaError,
  firstIssue,
  type IssuedToken,
  RoomName,
} from '@flotilla/contracts';
import { CallRefused } from '@flotilla/resilience';
import { AddressRates, bearerTokenOf, countRefusedRequest, retryAfter } from '@flotilla/runtime';
import { Body, Controller, type DynamicModule, Get, Headers, Inject, Module, Post, Req, Res } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { ObjectiveReader } from './operations/objective-figures.ts';
import { Order } from './operations/orders.ts';
import type { OperationsView } from './operations/view.ts';
import { RegistryClient } from './registry-client.ts';

/**
 * Entries of one address per second; bursts of ten times as many, such as a class that opens the page at once. An entry costs two of the
 * requests that the console's API key may send.
 */
const entriesPerSecond = 5;

const EntryRequest = z.strictObject({ room: RoomName, name: DisplayName });

export interface ConsoleOptions {
  /** URL of signaling; undefined for the host that served the page. */
  readonly signalUrl: string | undefined;
  readonly registry: RegistryClient;
  /** Issues a join token for any room to every visitor. When false, users need a token. */
  readonly open: boolean;
  /** The address of a visitor, for the rate of entries. Without, entries are not limited. */
  readonly addressOf?: (request: IncomingMessage) => string;
  /** The objectives that the operations page shows. */
  readonly objectives: Pick<ObjectiveReader, 'read'>;
  /** The API key for the page that sent a request; rejects with FORBIDDEN. Undefined: users enter keys of their own. */
  readonly pageKey?: ((request: IncomingMessage) => Promise<string>) | undefined;
}
const OPTIONS = Symbol('console options');

@Controller('console')
class ConsoleController {
  readonly #entries = new AddressRates(entriesPerSecond);

  constructor(@Inject(OPTIONS) private readonly options: ConsoleOptions) {}

  @Post('entry')
  entry(@Body() body: unknown, @Req() request: Request, @Res() response: Response): Promise<void> {
    return this.#answer(response, async () => {
      const entry = EntryRequest.safeParse(body);
      if (!entry.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(entry.error));
      if (!this.options.open) throw new FlotillaError('FORBIDDEN', 'this server admits only users with a join token');
      this.#checkRate(request);
      return this.options.registry.issueJoinToken(entry.data.room, entry.data.name);
    });
  }

  /** Throws RATE_LIMITED above the rate of the visitor's address. */
  #checkRate(request: Request): void {
    const { addressOf } = this.options;
    if (!addressOf || this.#entries.take(addressOf(request))) return;
    countRefusedRequest('RATE_LIMITED');
    throw new FlotillaError('RATE_LIMITED', 'too many entries from this address');
  }

  /** The API key of the topology page and the operations page, where users need not enter one. */
  @Post('key')
  async key(@Req() request: IncomingMessage, @Res() response: Response): Promise<void> {
    response.set('Cache-Control', 'no-store');
    try {
      response.status(200).json({ key: await this.options.pageKey?.(request) });
    } catch (error) {
      refuse(response, error);
    }
  }

  /** Issues a token for the topology page. The registry checks the caller's API key. */
  @Post('topology-entry')
  topologyEntry(@Headers('authorization') authorization: string | undefined, @Res() response: Response): Promise<void> {
    const key = bearerTokenOf(authorization);
    return this.#answer(response, () => this.options.registry.issueFleetToken(key));
  }

  /** What the operations page shows. Only a key that may read the fleet gets the objectives. */
  @Get('operations')
  async operations(
    @Headers('authorization') authorization: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    response.set('Cache-Control', 'no-store');
    try {
      const read = await this.options.registry.readOperations(bearerTokenOf(authorization));
      const view: OperationsView = { ...read, objectives: await this.options.objectives.read() };
      response.json(view);
    } catch (error) {
      refuse(response, error);
    }
  }

  /** Gives an order with the key of the caller, which the registry checks. */
  @Post('operations/orders')
  async order(
    @Headers('authorization') authorization: string | undefined,
    @Body() body: unknown,
    @Res() response: Response,
  ): Promise<void> {
    try {
      const order = Order.safeParse(body);
      if (!order.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(order.error));
      await this.options.registry.giveOrder(bearerTokenOf(authorization), order.data);
      response.status(204).end();
    } catch (error) {
      refuse(response, error);
    }
  }

  /** Answers with the token or the error, and in both cases with the URL of signaling. */
  async #answer(response: Response, issue: () => Promise<IssuedToken>): Promise<void> {
    const { signalUrl: url } = this.options;
    try {
      const { token } = await issue();
      response.json({ token, url });
    } catch (error) {
      refuse(response, error, { url });
    }
  }
}

function refuse(response: Response, error: unknown, rest: object = {}): void {
  const failure = FlotillaError.from(error);
  if (failure.code === 'RATE_LIMITED') response.set('Retry-After', retryAfter());
  if (failure instanceof CallRefused) response.set('Retry-After', String(Math.ceil(failure.retryAfterMs / 1000)));
  response.status(errorCatalogue[failure.code].status).json({ error: failure.body, ...rest });
}

/** Issues the tokens that the call page and the topology page connect with, and reads the fleet for the operations page. */
@Module({})
export class ConsoleModule {
  static register(options: ConsoleOptions): DynamicModule {
    return {
      module: ConsoleModule,
      controllers: [ConsoleController],
      providers: [{ provide: OPTIONS, useValue: options }],
    };
  }
}

/**
 * What the pages may load, and that no other page may frame them (Content Security Policy Level 3). Scripts come from this server alone.
 * Signaling may be anywhere; the SDK asks a gateway that refuses a WebSocket for the reason by HTTP. Received files are blobs.
 */
const contentSecurityPolicy = [
  "default-src 'self'",
  "connect-src 'self' http: https: ws: wss: blob:",
  "img-src 'self' data: blob:",
  "media-src 'self' data: blob:",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const setPageHeaders = (response: Response): void => setPolicy(response, contentSecurityPolicy);
/** The examples are read and changed by those who try them: no other page may frame them, and that is all. */
const setExampleHeaders = (response: Response): void => setPolicy(response, "frame-ancestors 'none'");

function setPolicy(response: Response, policy: string): void {
  response.set({
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
}

/** Serves the pages at /, /topology and /operations, the bundled SDK under /sdk/ and the examples under /examples/. */
export function useConsole(app: NestExpressApplication): void {
  const files = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  // Serves /topology from topology.html, and /operations from operations.html.
  app.useStaticAssets(files('./web'), { extensions: ['html'], setHeaders: setPageHeaders });
  app.useStaticAssets(fileURLToPath(new URL('.', import.meta.resolve('@flotilla/client/bundle'))), { prefix: '/sdk/' });
  app.useStaticAssets(files('../../../examples'), {
    prefix: '/examples/',
    setHeaders: setExampleHeaders,
  });
}
