import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';

/** Takes a picture of the page. With UPDATE_PICTURES=1 it replaces the picture of that name in docs/images, if there is one. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync('.results', { recursive: true });
  const path = `.results/${name}.png`;
  await page.screenshot({ path, animations: 'disabled' });
  const published = `../../docs/images/${name}.png`;
  if (process.env['UPDATE_PICTURES'] && existsSync(published)) copyFileSync(path, published);
}
