import type { Room } from '@flotilla/client';
import type { Page } from 'playwright-core';

declare global {
  /** The metadata of the call that a page is in, in the page; see `givePageMetadata`. */
  var metadata: () => Room['metadata'];
}

/** Lets what runs in a call page reach the metadata of its call. */
export async function givePageMetadata(page: Page): Promise<void> {
  await page.evaluate(() => {
    globalThis.metadata = () => (globalThis.flotilla as unknown as { room: Room }).room.metadata;
  });
}
