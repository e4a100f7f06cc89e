/**
 * The part of Playwright's interface that a call page needs. Playwright's own browsers have it; `launchFirefox` implements it for
 * Firefox, which Playwright cannot drive without a build of its own.
 */
export interface TabBrowser<T extends Tab = Tab> {
  newContext(options: TabOptions): Promise<TabContext<T>>;
}

export interface TabOptions {
  readonly viewport: { readonly width: number; readonly height: number };
  readonly permissions: string[];
}

/** A profile of its own. */
export interface TabContext<T extends Tab> {
  /** Runs a script in each document of pages opened later, before the document's own. */
  addInitScript(script: { readonly content: string }): Promise<unknown>;
  newPage(): Promise<T>;
  close(): Promise<void>;
}

export interface Tab {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  evaluate<Result, Argument>(
    script: (argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result>;
  evaluate<Result>(script: () => Result | Promise<Result>): Promise<Result>;
  getByTestId(testId: string): { click(): Promise<void> };
  /** Reports uncaught errors of the page. */
  on(event: 'pageerror', listener: (error: Error) => void): unknown;
}
