import { CallPage } from './call-page.ts';

// The page has one view so far. Another one would be told apart here, by its address, and loaded by itself.
const page = new CallPage();

/** For drill in the developer tools, and for tests. */
const drill = {
  get room(): CallPage['room'] {
    return page.room;
  },
};
declare global {
  // A global needs `var`.
  var flotilla: typeof drill;
}
globalThis.flotilla = drill;

document.body.append(page);
