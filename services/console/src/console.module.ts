import { fileURLToPath } from 'node:url';
import { errorCatalogue, FlotillaError, firstIssue, RoomName } from '@flotilla/contracts';
import { Body, Controller, type DynamicModule, Inject, Module, Post, Res } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { Response } from 'express';
import { z } from 'zod';
import { RegistryClient } from './registry-client.ts';

/** What the page asks with, and gets: where to connect, and a token when the console is open. */
const Entry = z.strictObject({ room: RoomName, name: z.string().trim().min(1).max(64) });

export interface ConsoleOptions {
  /** Undefined: the page's own host. */
  readonly signalUrl: string | undefined;
  /** Undefined: the console is not open, and the page wants a token. */
  readonly registry: RegistryClient | undefined;
}
const OPTIONS = Symbol('console options');

@Controller('console')
class ConsoleController {
  constructor(@Inject(OPTIONS) private readonly options: ConsoleOptions) {}

  @Post('entry')
  async enter(@Body() body: unknown, @Res() response: Response): Promise<void> {
    try {
      const entry = Entry.safeParse(body);
      if (!entry.success) throw new FlotillaError('BAD_PAYLOAD', firstIssue(entry.error));
      const { signalUrl, registry } = this.options;
      if (!registry) throw new FlotillaError('FORBIDDEN', 'this console is not open: bring a join token');
      const { token } = await registry.enter(entry.data.room, entry.data.name);
      response.json({ token, url: signalUrl });
    } catch (error) {
      const failure = FlotillaError.from(error);
      response.status(errorCatalogue[failure.code].status).json({ error: failure.body, url: this.options.signalUrl });
    }
  }
}

/** The call page, and what it needs to enter a room. */
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

/** Serves the page itself, the SDK as one file under /sdk/, and the examples. */
export function useConsole(app: NestExpressApplication): void {
  const files = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  app.useStaticAssets(files('./web'));
  app.useStaticAssets(fileURLToPath(new URL('.', import.meta.resolve('@flotilla/client/bundle'))), { prefix: '/sdk/' });
  app.useStaticAssets(files('../../../examples'), { prefix: '/examples/' });
}
