import type { Logger } from '@flotilla/runtime';
import { Body, Controller, Delete, Get, Inject, Param, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { Request, Response } from 'express';
import { checkRecordingRequest } from '../recordings/recording-request.ts';
import { Recordings, type RecordingView } from '../recordings/recordings.ts';
import { ApiKeyGuard, Scope } from './api-keys.ts';
import { audit, LOG, requireJson, roomOf } from './requests.ts';

/** The recordings in the REST API, docs/media-edge.md. */
@Controller('/v1/rooms/:room/recordings')
@UseGuards(ApiKeyGuard)
export class RecordingController {
  constructor(
    @Inject(Recordings) private readonly recordings: Recordings,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  @Post()
  @Scope('rooms')
  async create(
    @Param('room') room: string,
    @Body() body: unknown,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RecordingView> {
    requireJson(request);
    checkRecordingRequest(body);
    const recording = await this.recordings.start(roomOf(room));
    audit(this.log, response, { action: 'createRecording', recording: recording.id });
    return recording;
  }

  @Get()
  @Scope('read')
  list(@Param('room') room: string): { recordings: RecordingView[] } {
    return { recordings: this.recordings.list(roomOf(room)) };
  }

  @Get(':recording')
  @Scope('read')
  get(@Param('room') room: string, @Param('recording') id: string): RecordingView {
    return this.recordings.get(roomOf(room), id);
  }

  @Delete(':recording')
  @Scope('rooms')
  async stop(
    @Param('room') room: string,
    @Param('recording') id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RecordingView> {
    const recording = await this.recordings.stop(roomOf(room), id);
    audit(this.log, response, { action: 'stopRecording', recording: id });
    return recording;
  }
}
