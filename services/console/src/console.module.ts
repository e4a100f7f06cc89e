import { fileURLToPath } from 'node:url';
import { errorCatalogue, FlotillaError, firstIssue, type IssuedToken, RoomName } from '@flotilla/contracts';
import { CallRefused } from '@flotilla/resilience';
import { bearerTokenOf } from '@flotilla/runtime';
import { Body, Controller, type DynamicModule, Headers, Inject, Module, Post, Res } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Response } from 'express';
import { z } from 'zod';
import { RegistryClient } from './registry-client.ts';

const EntryRequest = z.strictObject({ room: RoomName, name: z.string().trim().min(1).max(64) });

export interface ConsoleOptions {
  /** URL of signaling; undefined for the host that served the page. */
  readonly signalUrl: string | undefined;
  readonly registry: RegistryClient;
  /** Issues a join token for any room to every visitor. When false, users need a token. */
  readonly open: boolean;
}
const OPTIONS = Symbol('console options');

@Controller('console')
class ConsoleController {
  constructor(@Inject(OPTIONS) private readonly options: ConsoleOptions) {}

  @Post('entry')
  entry(@Body() body: unknown, @Res() response: Response): Promise<void> {
    return this.#answer(response, async () => {
      const entry = EntryRequest.safeParse(body);
      if (!entry.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(entry.error));
      if (!this.options.open) throw new FlotillaError('FORBIDDEN', 'this server admits only users with a join token');
      return this.options.registry.issueJoinToken(entry.data.room, entry.data.name);
    });
  }

  /** Issues a token for the topology page. The registry checks the caller's API key; without configured keys it asks for none. */
  @Post('topology-entry')
  topologyEntry(@Headers('authorization') authorization: string | undefined, @Res() response: Response): Promise<void> {
    const key = bearerTokenOf(authorization);
    return this.#answer(response, () => this.options.registry.issueFleetToken(key));
  }

  /** Answers with the token or the error, and in both cases with the URL of signaling. */
  async #answer(response: Response, issue: () => Promise<IssuedToken>): Promise<void> {
    const { signalUrl: url } = this.options;
    try {
      const { token } = await issue();
      response.json({ token, url });
    } catch (error) {
      const failure = FlotillaError.from(error);
      if (failure instanceof CallRefused) response.set('Retry-After', String(Math.ceil(failure.retryAfterMs / 1000)));
      response.status(errorCatalogue[failure.code].status).json({ error: failure.body, url });
    }
  }
}

/** Issues the tokens that the call page and the topology page connect with. */
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

/** Serves the pages at / and /topology, the bundled SDK under /sdk/ and the examples under /examples/. */
export function useConsole(app: NestExpressApplication): void {
  const files = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  // Serves /topology from topology.html.
  app.useStaticAssets(files('./web'), { extensions: ['html'] });
  app.useStaticAssets(fileURLToPath(new URL('.', import.meta.resolve('@flotilla/client/bundle'))), { prefix: '/sdk/' });
  app.useStaticAssets(files('../../../examples'), { prefix: '/examples/' });
}
