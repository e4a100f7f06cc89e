export * from './manifest.ts';
export { manifestName, readManifest } from './manifest-file.ts';
export * from './recorder.ts';
export * from './storage.ts';
export * from './track.ts';
export * from './upload.ts';
