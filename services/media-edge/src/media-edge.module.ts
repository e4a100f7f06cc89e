import type { Logger } from '@flotilla/runtime';
import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ApiKeys } from './inbound/api-keys.ts';
import { RecordingController } from './inbound/recordings-rest.ts';
import { LOG } from './inbound/requests.ts';
import { IngestController, RestErrors } from './inbound/rest.ts';
import { Ingests, type IngestsOptions } from './ingests.ts';
import { Recordings, type RecordingsOptions } from './recordings/recordings.ts';

export interface MediaEdgeOptions {
  readonly ingests: IngestsOptions;
  readonly recordings: RecordingsOptions;
  readonly keys: ApiKeys;
  readonly log: Logger;
}

/** The media edge: its REST API, its ingests and its recordings. */
@Module({})
export class MediaEdgeModule implements OnApplicationShutdown {
  constructor(
    @Inject(Ingests) private readonly ingests: Ingests,
    @Inject(Recordings) private readonly recordings: Recordings,
  ) {}

  static register({ ingests, recordings, keys, log }: MediaEdgeOptions): DynamicModule {
    return {
      module: MediaEdgeModule,
      controllers: [IngestController, RecordingController],
      providers: [
        { provide: Ingests, useValue: new Ingests(ingests) },
        { provide: Recordings, useValue: new Recordings(recordings) },
        { provide: ApiKeys, useValue: keys },
        { provide: LOG, useValue: log },
        { provide: APP_FILTER, useClass: RestErrors },
      ],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    this.ingests.close();
    await this.recordings.close();
  }
}
