import { CallPage } from './call-page.ts';

const page = new CallPage();

/** Entry point for the developer tools and for tests. */
const inspector = {
  get room(): CallPage['room'] {
    return page.room;
  },
};
declare global {
  // A global needs `var`.
  var flotilla: typeof inspector;
}
globalThis.flotilla = inspector;

document.body.append(page);
