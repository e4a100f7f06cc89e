import puppeteer, { type Browser, type BrowserContext, type Page } from 'puppeteer-core';
import { findProgram } from './find-program.ts';
import type { Tab, TabBrowser, TabContext, TabOptions } from './tab.ts';

/** Starts a headless Firefox with a fake camera and microphone. It ignores ICE candidates on loopback: media needs another address. */
export async function launchFirefox({ framesPerSecond = 30 } = {}): Promise<Firefox> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: findProgram('Firefox', 'FIREFOX_BIN', ['firefox-esr', 'firefox']),
    headless: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.navigator.video.default_fps': framesPerSecond,
      'media.autoplay.default': 0,
    },
  });
  return new Firefox(browser);
}

export class Firefox implements TabBrowser<FirefoxTab> {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  async newContext({ viewport }: TabOptions): Promise<TabContext<FirefoxTab>> {
    return new FirefoxContext(await this.#browser.createBrowserContext(), viewport);
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}

class FirefoxContext implements TabContext<FirefoxTab> {
  readonly #context: BrowserContext;
  readonly #viewport: TabOptions['viewport'];
  readonly #initScripts: string[] = [];

  constructor(context: BrowserContext, viewport: TabOptions['viewport']) {
    this.#context = context;
    this.#viewport = viewport;
  }

  async addInitScript({ content }: { readonly content: string }): Promise<void> {
    this.#initScripts.push(content);
  }

  async newPage(): Promise<FirefoxTab> {
    // Tabs in the background of a window neither render nor run their timers at full speed.
    const page = await this.#context.newPage({ type: 'window' });
    await page.setViewport({ ...this.#viewport });
    for (const script of this.#initScripts) await page.evaluateOnNewDocument(script);
    return new FirefoxTab(page);
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

export class FirefoxTab implements Tab {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async goto(url: string): Promise<void> {
    await this.#page.goto(url);
  }

  async reload(): Promise<void> {
    await this.#page.reload();
  }

  evaluate<Result, Argument>(
    script: (argument: Argument) => Result | Promise<Result>,
    argument?: Argument,
  ): Promise<Result> {
    return this.#page.evaluate(script as (argument: unknown) => unknown, argument) as Promise<Result>;
  }

  getByTestId(testId: string): { click(): Promise<void> } {
    // Through shadow roots, as Playwright's does.
    return { click: () => this.#page.locator(`pierce/[data-testid=${testId}]`).click() };
  }

  on(_event: 'pageerror', listener: (error: Error) => void): void {
    this.#page.on('pageerror', (error) => {
      // Firefox reports failed requests as errors of the page, too, but without a stack.
      if (error instanceof Error && error.stack?.includes('\n    at ')) listener(error);
    });
  }
}
