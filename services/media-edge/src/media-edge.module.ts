import type { Logger } from '@flotilla/runtime';
import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ApiKeys } from './inbound/api-keys.ts';
import { IngestController, LOG, RestErrors } from './inbound/rest.ts';
import { Ingests, type IngestsOptions } from './ingests.ts';

export interface MediaEdgeOptions extends IngestsOptions {
  readonly keys: ApiKeys;
  readonly log: Logger;
}

/** The media edge: its REST API and its ingests. */
@Module({})
export class MediaEdgeModule implements OnApplicationShutdown {
  constructor(@Inject(Ingests) private readonly ingests: Ingests) {}

  static register({ keys, ...options }: MediaEdgeOptions): DynamicModule {
    return {
      module: MediaEdgeModule,
      controllers: [IngestController],
      providers: [
        { provide: Ingests, useValue: new Ingests(options) },
        { provide: ApiKeys, useValue: keys },
        { provide: LOG, useValue: options.log },
        { provide: APP_FILTER, useClass: RestErrors },
      ],
    };
  }

  onApplicationShutdown(): void {
    this.ingests.close();
  }
}
