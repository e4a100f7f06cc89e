import { fileURLToPath } from 'node:url';
import { errorCatalogue, FlotillaError, firstIssue, type IssuedToken, RoomName } from '@flotilla/contracts';
import { Body, Controller, type DynamicModule, Headers, Inject, Module, Post, Res } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Response } from 'express';
import { z } from 'zod';
import { RegistryClient } from './registry-client.ts';

/** What the page asks with, and gets: where to connect, and a token when the console is open. */
const Entry = z.strictObject({ room: RoomName, name: z.string().trim().min(1).max(64) });

export interface ConsoleOptions {
  /** Undefined: the page's own host. */
  readonly signalUrl: string | undefined;
  readonly registry: RegistryClient;
  /** Everybody may join any room. Otherwise the call page wants a token. */
  readonly open: boolean;
}
const OPTIONS = Symbol('console options');

@Controller('console')
class ConsoleController {
  constructor(@Inject(OPTIONS) private readonly options: ConsoleOptions) {}

  @Post('entry')
  enter(@Body() body: unknown, @Res() response: Response): Promise<void> {
    return this.#answer(response, async () => {
      const entry = Entry.safeParse(body);
      if (!entry.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(entry.error));
      if (!this.options.open) throw new FlotillaError('FORBIDDEN', 'this console is not open: bring a join token');
      return this.options.registry.enter(entry.data.room, entry.data.name);
    });
  }

  /** Who watches the fleet must have an API key; the registry checks it, and asks for none where it is open. */
  @Post('topology-entry')
  watch(@Headers('authorization') authorization: string | undefined, @Res() response: Response): Promise<void> {
    const key = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
    return this.#answer(response, () => this.options.registry.watch(key));
  }

  /** The token, or why not; and where to connect in any case. */
  async #answer(response: Response, issue: () => Promise<IssuedToken>): Promise<void> {
    const { signalUrl: url } = this.options;
    try {
      const { token } = await issue();
      response.json({ token, url });
    } catch (error) {
      const failure = FlotillaError.from(error);
      response.status(errorCatalogue[failure.code].status).json({ error: failure.body, url });
    }
  }
}

/** The call page and the topology page, and what they need to enter a room and to watch the fleet. */
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

/** Serves the pages, the SDK as one file under /sdk/, and the examples. */
export function useConsole(app: NestExpressApplication): void {
  const files = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  // So that /topology is topology.html.
  app.useStaticAssets(files('./web'), { extensions: ['html'] });
  app.useStaticAssets(fileURLToPath(new URL('.', import.meta.resolve('@flotilla/client/bundle'))), { prefix: '/sdk/' });
  app.useStaticAssets(files('../../../examples'), { prefix: '/examples/' });
}
