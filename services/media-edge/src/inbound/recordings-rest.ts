import { Body, Controller, Delete, Get, Inject, Param, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { checkRecordingRequest } from '../recordings/recording-request.ts';
import { Recordings, type RecordingView } from '../recordings/recordings.ts';
import { NeedsApiKey, Reads, Writes } from './access.ts';
import { requireJson, roomOf } from './requests.ts';

/** The recordings in the REST API, docs/media-edge.md. */
@Controller('/v1/rooms/:room/recordings')
@NeedsApiKey()
export class RecordingController {
  constructor(@Inject(Recordings) private readonly recordings: Recordings) {}

  @Post()
  @Writes('recording')
  create(@Param('room') room: string, @Body() body: unknown, @Req() request: Request): Promise<RecordingView> {
    requireJson(request);
    checkRecordingRequest(body);
    return this.recordings.start(roomOf(room));
  }

  @Get()
  @Reads()
  list(@Param('room') room: string): { recordings: RecordingView[] } {
    return { recordings: this.recordings.list(roomOf(room)) };
  }

  @Get(':recording')
  @Reads()
  get(@Param('room') room: string, @Param('recording') id: string): RecordingView {
    return this.recordings.get(roomOf(room), id);
  }

  @Delete(':recording')
  @Writes()
  stop(@Param('room') room: string, @Param('recording') id: string): Promise<RecordingView> {
    return this.recordings.stop(roomOf(room), id);
  }
}
